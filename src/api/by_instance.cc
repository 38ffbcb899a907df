#include "api/by_instance.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>

#include "api/rules.h"

namespace drover::api {
namespace {

using Labels = std::vector<std::optional<store::Labels>>;

// Of so many the engine's thread copies the labels at once.
constexpr std::size_t kStep = 1'000;

const store::Labels& known(const std::optional<store::Labels>& labels) {
  static const store::Labels kNone;
  return labels ? *labels : kNone;
}

// Asks the fleet for the labels of many instances, in steps, and then calls `done` on the API's loop.
class Asking : public std::enable_shared_from_this<Asking> {
 public:
  Asking(Services& services, std::int64_t project, std::vector<std::string> ids,
         std::function<void(Labels)> done)
      : services_(services), project_(project), ids_(std::move(ids)), done_(std::move(done)) {
    labels_.reserve(ids_.size());
  }

  void go_on() {
    const std::size_t from = labels_.size();
    const std::size_t end = std::min(from + kStep, ids_.size());
    if (from == end)
      return services_.loop.post([self = shared_from_this()] { self->done_(std::move(self->labels_)); });
    std::vector<std::string> step(ids_.begin() + static_cast<std::ptrdiff_t>(from),
                                  ids_.begin() + static_cast<std::ptrdiff_t>(end));
    services_.fleet.labels(project_, std::move(step), [self = shared_from_this()](Labels labels) {
      std::move(labels.begin(), labels.end(), std::back_inserter(self->labels_));
      self->go_on();
    });
  }

 private:
  Services& services_;
  const std::int64_t project_;
  const std::vector<std::string> ids_;
  const std::function<void(Labels)> done_;
  Labels labels_;
};

void ask(Services& services, const Caller& caller, std::vector<std::string> ids,
         std::function<void(Labels)> done) {
  std::make_shared<Asking>(services, caller.project(), std::move(ids), std::move(done))->go_on();
}

}  // namespace

void Judge::add(std::string_view id, const store::Labels& labels) {
  if (permissions_.allows(action_, {id, labels})) return;
  if (denied_++ == 0) first_ = id;
}

Checked<> Judge::verdict() const {
  if (denied_ == 0) return {};
  std::string message =
      "the role does not allow " + std::string(identity::name_of(action_)) + " on " + first_;
  if (denied_ > 1) message += " and " + grouped(static_cast<std::int64_t>(denied_ - 1)) + " more";
  return tl::unexpected(Refusal{403, code::kNotAllowed, std::move(message)});
}

void judge_ids(Services& services, const Caller& caller, identity::Action action,
               std::vector<std::string> ids, const http::Responder& respond, WithIds then) {
  ask(services, caller, ids,
      [caller, action, ids, respond, then = std::move(then)](const Labels& labels) mutable {
        Judge judge(caller.who->permissions, action);
        for (std::size_t i = 0; i < ids.size(); ++i) judge.add(ids[i], known(labels[i]));
        if (auto allowed = judge.verdict(); !allowed) return respond(refuse(allowed.error()));
        then(std::move(ids));
      });
}

void judge_put(Services& services, const Caller& caller, std::vector<store::Instance> instances,
               const http::Responder& respond, WithInstances then) {
  std::vector<std::string> ids;
  ids.reserve(instances.size());
  for (const store::Instance& instance : instances) ids.push_back(instance.id);
  ask(services, caller, std::move(ids),
      [caller, instances = std::move(instances), respond,
       then = std::move(then)](const Labels& before) mutable {
        Judge judge(caller.who->permissions, identity::Action::kPutInstance);
        for (std::size_t i = 0; i < instances.size(); ++i) {
          const store::Instance& instance = instances[i];
          if (before[i]) judge.add(instance.id, *before[i]);
          if (instance.labels || !before[i]) judge.add(instance.id, known(instance.labels));
        }
        if (auto allowed = judge.verdict(); !allowed) return respond(refuse(allowed.error()));
        then(std::move(instances));
      });
}

void leave_out_denied(const Caller& caller, identity::Action action, std::vector<fleet::PhoneView>& phones) {
  if (!caller.depends(action)) return;
  std::erase_if(phones, [&](const fleet::PhoneView& phone) {
    return !caller.who->permissions.allows(action, {phone.id, phone.labels});
  });
}

}  // namespace drover::api
