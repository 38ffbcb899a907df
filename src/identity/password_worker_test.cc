#include "identity/password_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "identity/errc.h"
#include "identity/password.h"

namespace drover::identity {
namespace {

const std::string kRight = "correct horse battery";

Result<bool> verify(PasswordWorker& worker, std::string hash, std::string password) {
  const auto answer = std::make_shared<std::promise<Result<bool>>>();
  worker.verify(std::move(hash), std::move(password),
                [answer](Result<bool> right) { answer->set_value(std::move(right)); });
  return answer->get_future().get();
}

Result<std::string> hash(PasswordWorker& worker, std::string password) {
  const auto answer = std::make_shared<std::promise<Result<std::string>>>();
  worker.hash(std::move(password),
              [answer](Result<std::string> made) { answer->set_value(std::move(made)); });
  return answer->get_future().get();
}

TEST(PasswordWorker, HashesAndVerifies) {
  PasswordWorker worker;
  const auto made = hash(worker, kRight);
  ASSERT_TRUE(made);
  EXPECT_TRUE(password_is(*made, kRight));
  EXPECT_EQ(verify(worker, *made, kRight), true);
  EXPECT_EQ(verify(worker, *made, "correct horse batterz"), false);
  EXPECT_EQ(verify(worker, *made, ""), false);
  EXPECT_EQ(verify(worker, "", kRight), false);
}

TEST(PasswordWorker, LengthsAreJudgedAsElsewhere) {
  PasswordWorker worker;
  EXPECT_EQ(hash(worker, "short").error().code, Errc::kBadPassword);
  EXPECT_EQ(hash(worker, std::string(1'000'000, 'a')).error().code, Errc::kBadPassword);
  const std::string longest(kLongestPassword, 'a');
  const auto made = hash(worker, longest);
  ASSERT_TRUE(made);
  EXPECT_EQ(verify(worker, *made, longest), true);
  EXPECT_EQ(verify(worker, *made, longest + 'a'), false);
  EXPECT_EQ(verify(worker, *made, std::string(1'000'000, 'a')), false);
}

TEST(PasswordWorker, HashesOnThreadsOfItsOwn) {
  std::barrier both(3);  // each of the two answers waits for the other, and this test for both
  std::set<std::thread::id> threads;
  std::mutex mutex;
  PasswordWorker worker(2);
  for (int i = 0; i < 2; ++i) {
    worker.verify("", kRight, [&](const Result<bool>&) {
      both.arrive_and_wait();
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      both.arrive_and_drop();
    });
  }
  both.arrive_and_wait();
  both.arrive_and_wait();
  EXPECT_EQ(threads.size(), 2u);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

// Without threads all wait, and are cancelled at the end.
TEST(PasswordWorker, AFullQueueRefusesAndTheEndCancels) {
  PasswordWorker worker(0);
  std::vector<std::error_code> answers;
  const auto take = [&](const auto& answer) {
    ASSERT_FALSE(answer);
    answers.push_back(answer.error().code);
  };
  for (std::size_t i = 0; i < PasswordWorker::kMostWaiting; ++i) worker.verify("", kRight, take);
  EXPECT_EQ(answers.size(), 0u);
  worker.verify("", kRight, take);
  worker.hash(kRight, take);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0], Errc::kBusy);
  EXPECT_EQ(answers[1], Errc::kBusy);
  worker.stop();
  ASSERT_EQ(answers.size(), PasswordWorker::kMostWaiting + 2);
  worker.verify("", kRight, take);
  worker.stop();
  ASSERT_EQ(answers.size(), PasswordWorker::kMostWaiting + 3);
  for (std::size_t i = 2; i < answers.size(); ++i) EXPECT_EQ(answers[i], std::errc::operation_canceled);
}

TEST(PasswordWorker, EachIsAnsweredOnceWhenItEndsInTheMiddle) {
  std::atomic<int> hashed{0};
  std::atomic<int> cancelled{0};
  {
    PasswordWorker worker(2);
    for (int i = 0; i < 20; ++i) {
      worker.verify("", kRight, [&](const Result<bool>& right) { ++(right ? hashed : cancelled); });
    }
  }
  EXPECT_EQ(hashed + cancelled, 20);
}

}  // namespace
}  // namespace drover::identity
