// What the routes work with. Made by Api, which outlives every request.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "fleet/fleet.h"
#include "identity/identity.h"
#include "store/store.h"
#include "task/engine.h"

namespace prometheus {
class Registry;
}

namespace drover::api {

class Audit;
class Limits;
class Reads;
class Waiting;

struct Services {
  const Clock& clock;
  task::Engine& engine;
  fleet::Fleet& fleet;
  identity::Identity& identity;
  store::Store& store;
  prometheus::Registry& registry;
  // The API's own thread: long answers are written there, so that they hold up neither jobs nor commits.
  Loop& loop;
  Waiting& waiting;
  Reads& reads;
  Audit& audit;
  Limits& limits;
  Millis sync_wait;                 // how long a sync-command waits for its jobs
  std::function<Result<>()> ready;  // whether this node takes requests, and if not why
};

}  // namespace drover::api
