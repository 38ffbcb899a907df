#include "base/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace drover {
namespace {

TEST(Loop, PostedRunsInOrderOnTheLoopsThread) {
  const Clock clock;
  LoopThread thread(clock, "test");
  std::vector<int> order;
  std::promise<std::thread::id> ran;
  for (int i = 0; i < 1'000; ++i) thread.loop().post([&order, i] { order.push_back(i); });
  thread.loop().post([&] { ran.set_value(std::this_thread::get_id()); });
  EXPECT_NE(ran.get_future().get(), std::this_thread::get_id());
  ASSERT_EQ(order.size(), 1'000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Loop, PostedFromWithinRunsLater) {
  const Clock clock;
  LoopThread thread(clock, "test");
  Loop& loop = thread.loop();
  std::vector<int> order;
  std::promise<void> done;
  loop.post([&] {
    loop.post([&] {
      order.push_back(2);
      done.set_value();
    });
    order.push_back(1);
  });
  done.get_future().wait();
  EXPECT_THAT(order, testing::ElementsAre(1, 2));
}

TEST(Loop, ManyThreadsMayPost) {
  const Clock clock;
  LoopThread thread(clock, "test");
  constexpr int kThreads = 4;
  constexpr int kPosts = 2'000;
  int count = 0;  // the loop's thread only
  std::promise<void> done;
  std::vector<std::thread> posters;
  posters.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    posters.emplace_back([&] {
      for (int k = 0; k < kPosts; ++k) {
        thread.loop().post([&] {
          if (++count == kThreads * kPosts) done.set_value();
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  done.get_future().wait();
  EXPECT_EQ(count, kThreads * kPosts);
}

TEST(Loop, TimersFireInTheOrderOfTheirDeadlines) {
  const Clock clock;
  std::vector<int> order;
  std::promise<void> done;
  SteadyTime scheduled;
  SteadyTime fired;
  Timer early([&] { order.push_back(1); });
  Timer late([&] {
    order.push_back(2);
    fired = clock.steady();
    done.set_value();
  });
  LoopThread thread(clock, "test");
  thread.loop().post([&] {
    scheduled = clock.steady();
    thread.loop().schedule(late, Millis(100));
    thread.loop().schedule(early, Millis(20));
  });
  done.get_future().wait();
  thread.join();
  EXPECT_THAT(order, testing::ElementsAre(1, 2));
  EXPECT_GE(fired - scheduled, Millis(100));
}

TEST(Loop, TimerMayBeArmedAgainWhenItFires) {
  const Clock clock;
  int count = 0;
  std::promise<void> done;
  Loop* loop = nullptr;
  Timer* self = nullptr;
  Timer timer([&] {
    if (++count == 3) return done.set_value();
    loop->schedule(*self, Millis(1));
  });
  LoopThread thread(clock, "test");
  loop = &thread.loop();
  self = &timer;
  loop->post([&] { loop->schedule(timer, Millis(1)); });
  done.get_future().wait();
  thread.join();
  EXPECT_EQ(count, 3);
}

TEST(Loop, CancelledTimerDoesNotFire) {
  const Clock clock;
  std::vector<int> order;
  std::promise<void> done;
  Timer never([&] { order.push_back(0); });
  Timer last([&] {
    order.push_back(1);
    done.set_value();
  });
  LoopThread thread(clock, "test");
  thread.loop().post([&] {
    thread.loop().schedule(never, Millis(20));
    thread.loop().schedule(last, Millis(60));
  });
  thread.loop().post([&] { never.cancel(); });
  done.get_future().wait();
  thread.join();
  EXPECT_THAT(order, testing::ElementsAre(1));
}

// The process was stopped, or its machine: what came meanwhile is read before timers say that nothing came.
// More sockets than epoll tells of at once.
TEST(Loop, AfterAStandstillSocketsAreReadBeforeTimersFire) {
  using Socket = boost::asio::local::stream_protocol::socket;
  constexpr int kSockets = 400;
  const Clock clock;
  int read = 0;
  int read_before = -1;
  std::promise<void> done;
  Timer timer([&] {
    read_before = read;
    done.set_value();
  });
  LoopThread thread(clock, "test");
  Loop& loop = thread.loop();
  std::vector<std::pair<Socket, Socket>> sockets;  // the loop's thread
  loop.post([&] {
    for (int i = 0; i < kSockets; ++i) {
      auto& [near, far] = sockets.emplace_back(Socket(loop.context()), Socket(loop.context()));
      boost::asio::local::connect_pair(near, far);
      near.async_wait(Socket::wait_read, [&](boost::system::error_code) { ++read; });
    }
    loop.schedule(timer, Millis(100));
  });
  // When it goes on, the timer has been due for long, and what comes has come after that.
  loop.post([&] {
    std::this_thread::sleep_for(Millis(600));
    for (auto& [near, far] : sockets) far.write_some(boost::asio::buffer("x", 1));
  });
  done.get_future().wait();
  EXPECT_EQ(read_before, kSockets);
  std::promise<void> gone;
  loop.post([&] {
    sockets.clear();
    gone.set_value();
  });
  gone.get_future().wait();
}

// As at a shutdown: whoever waits goes after the loop it waited on.
TEST(Loop, TimersMayOutliveTheLoop) {
  const Clock clock;
  Timer timer([] { ADD_FAILURE(); });
  {
    LoopThread thread(clock, "test");
    std::promise<void> armed;
    thread.loop().post([&] {
      thread.loop().schedule(timer, Seconds(60));
      armed.set_value();
    });
    armed.get_future().wait();
  }
  EXPECT_FALSE(timer.armed());
}

TEST(Loop, StopEndsRunAndWhatWasPostedIsDropped) {
  const Clock clock;
  const auto owned = std::make_shared<int>(1);
  {
    Loop loop(clock);
    bool ran = false;
    loop.post([&] {
      ran = true;
      loop.stop();
    });
    loop.run();
    EXPECT_TRUE(ran);
    loop.post([owned] { ADD_FAILURE(); });
  }
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(Loop, ContextRunsOnTheLoopsThread) {
  const Clock clock;
  LoopThread thread(clock, "test");
  std::promise<std::thread::id> from_post;
  std::promise<std::thread::id> from_context;
  thread.loop().post([&] { from_post.set_value(std::this_thread::get_id()); });
  boost::asio::post(thread.loop().context(), [&] { from_context.set_value(std::this_thread::get_id()); });
  EXPECT_EQ(from_post.get_future().get(), from_context.get_future().get());
}

TEST(LoopThread, HasItsName) {
  const Clock clock;
  LoopThread thread(clock, "fifteen-letters");
  // The thread gets its name from the one that makes it, which is done when the constructor returns.
  std::promise<std::string> name;
  thread.loop().post([&] {
    char text[16] = {};
    pthread_getname_np(pthread_self(), text, sizeof text);
    name.set_value(text);
  });
  EXPECT_EQ(name.get_future().get(), "fifteen-letters");
}

TEST(LoopThread, JoinTwiceIsFine) {
  const Clock clock;
  LoopThread thread(clock, "test");
  thread.join();
  thread.join();
}

}  // namespace
}  // namespace drover
