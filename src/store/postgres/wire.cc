#include "store/postgres/wire.h"

#include <libpq-fe.h>

#include <algorithm>
#include <limits>

#include "store/errc.h"
#include "store/postgres/refusal.h"

namespace drover::store::postgres {
namespace {

constexpr std::size_t kMaxPrepared = 256;
constexpr std::size_t kMaxParams = 65'535;
// The protocol counts a message's bytes in 31 bits, and PostgreSQL takes no value above 1 GiB.
constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
constexpr int kBinary = 1;

std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text != nullptr ? text : std::string_view{};
}

}  // namespace

Wire::Wire(pg_conn* connection) : connection_(connection) {
  PQsetNoticeReceiver(
      connection_, [](void* self, const PGresult* notice) { static_cast<Wire*>(self)->note_fatal(notice); },
      this);
  PQsetnonblocking(connection_, 1);
  PQenterPipelineMode(connection_);
}

// Said before the server closes the connection; with nothing under way libpq makes a notice of it.
void Wire::note_fatal(const pg_result* result) {
  const std::string_view severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == "FATAL" || severity == "PANIC") fatal_ = first_line(field(result, PG_DIAG_MESSAGE_PRIMARY));
}

std::string Wire::why() const { return fatal_.empty() ? first_line(PQerrorMessage(connection_)) : fatal_; }

bool Wire::fits(const std::vector<unsigned>& types, const Params& params) {
  return std::equal(types.begin(), types.end(), params.values_.begin(), params.values_.end(),
                    [](unsigned type, const Params::Value& value) {
                      return type == value.type || (type != 0 && value.length < 0);
                    });
}

// Parsing has a Sync of its own, so that a unit that fails cannot undo it, nor make the units behind it fail
// that count on it.
Wire::PreparedPtr Wire::prepare(const Statement& statement, const Params& params, bool& sent) {
  std::vector<PreparedPtr>& known = prepared_[statement.name];
  for (const PreparedPtr& one : known) {
    if (!fits(one->types, params)) continue;
    one->last_use = units_;
    return one;
  }
  auto made = std::make_shared<Prepared>();
  made->name = std::string(statement.name) + '/' + std::to_string(++names_);
  made->last_use = units_;
  for (const Params::Value& value : params.values_) made->types.push_back(value.type);
  known.push_back(made);
  ++prepared_count_;
  sent = PQsendPrepare(connection_, made->name.c_str(), statement.sql.c_str(),
                       static_cast<int>(made->types.size()), made->types.data()) == 1 &&
         send_sync({.done = {}, .parses = made, .uses = {}, .rows = {}, .refused = {}});
  if (sent && prepared_count_ > kMaxPrepared) sent = forget_oldest();
  return made;
}

bool Wire::forget_oldest() {
  auto list = prepared_.end();
  std::size_t index = 0;
  std::uint64_t oldest = units_;  // what the unit that is being sent uses stays
  for (auto it = prepared_.begin(); it != prepared_.end(); ++it) {
    for (std::size_t i = 0; i < it->second.size(); ++i) {
      if (it->second[i]->last_use >= oldest) continue;
      oldest = it->second[i]->last_use;
      list = it;
      index = i;
    }
  }
  if (list == prepared_.end()) return true;
  const std::string sql = "DEALLOCATE \"" + list->second[index]->name + '"';
  list->second.erase(list->second.begin() + static_cast<std::ptrdiff_t>(index));
  if (list->second.empty()) prepared_.erase(list);
  --prepared_count_;
  return PQsendQueryParams(connection_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, kBinary) == 1 &&
         send_sync({});
}

bool Wire::send_command(const Unit::Command& command, const Prepared* prepared) {
  const Params& params = command.params;
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const Params::Value& value : params.values_) {
    types.push_back(value.type);
    values.push_back(value.length < 0 ? nullptr : params.data_.data() + value.at);
    lengths.push_back(static_cast<int>(std::max<std::int64_t>(value.length, 0)));
  }
  const std::vector<int> formats(values.size(), kBinary);
  const int count = static_cast<int>(values.size());
  if (prepared != nullptr) {
    return PQsendQueryPrepared(connection_, prepared->name.c_str(), count, values.data(), lengths.data(),
                               formats.data(), kBinary) == 1;
  }
  return PQsendQueryParams(connection_, command.sql.c_str(), count, types.data(), values.data(),
                           lengths.data(), formats.data(), kBinary) == 1;
}

bool Wire::send_sync(Sent sent) {
  sent_.push_back(std::move(sent));
  return PQpipelineSync(connection_) == 1;
}

bool Wire::send(Unit unit, Done done) {
  ++units_;
  Sent sent{.done = std::move(done), .parses = {}, .uses = {}, .rows = {}, .refused = {}};
  bool fits_message = unit.size() <= std::numeric_limits<int>::max();
  for (const Unit::Command& command : unit.commands_) {
    fits_message = fits_message && command.params.size() <= kMaxParams && command.params.bytes() < kMaxBytes;
  }
  if (!fits_message) {
    // The answer still comes in its turn: an empty unit is sent in its place.
    sent.refused = std::make_shared<Error>(refusal("54000", "a command has too many or too long parameters"));
    return send_sync(std::move(sent));
  }
  std::vector<PreparedPtr> prepared(unit.size());
  bool good = true;
  for (std::size_t i = 0; good && i < unit.size(); ++i) {
    const Unit::Command& command = unit.commands_[i];
    if (command.statement == nullptr) continue;
    prepared[i] = prepare(*command.statement, command.params, good);
    sent.uses.push_back(prepared[i]);
  }
  for (std::size_t i = 0; good && i < unit.size(); ++i) {
    good = send_command(unit.commands_[i], prepared[i].get());
  }
  sent.rows.reserve(unit.size());
  if (good) return send_sync(std::move(sent));
  sent_.push_back(std::move(sent));
  return false;
}

bool Wire::flush() {
  const int left = PQflush(connection_);
  wants_to_write_ = left == 1;
  return left >= 0;
}

bool Wire::receive(std::deque<Answered>& answered,
                   std::vector<std::pair<std::string, std::string>>& notices) {
  const bool alive = PQconsumeInput(connection_) == 1;
  // A command's results end with a null; two in a row are the end of what has come.
  for (int nulls = 0; nulls < 2 && !sent_.empty() && PQisBusy(connection_) == 0;) {
    PGresult* result = PQgetResult(connection_);
    nulls = result != nullptr ? 0 : nulls + 1;
    if (result != nullptr && !on_result(result, answered)) return false;
  }
  while (PGnotify* notice = PQnotifies(connection_)) {
    notices.emplace_back(notice->relname, notice->extra);
    PQfreemem(notice);
  }
  return alive && PQstatus(connection_) == CONNECTION_OK;
}

bool Wire::on_result(pg_result* owned, std::deque<Answered>& answered) {
  Rows rows(owned);
  Sent& sent = sent_.front();
  switch (PQresultStatus(owned)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
      sent.rows.push_back(std::move(rows));
      return true;
    case PGRES_PIPELINE_ABORTED:
      return true;
    case PGRES_PIPELINE_SYNC:
      on_sync(answered);
      return true;
    case PGRES_FATAL_ERROR:
      note_fatal(owned);
      // Only an error of the server's that leaves the connection whole says for certain that nothing was
      // stored.
      if (!sent.refused && field(owned, PG_DIAG_SEVERITY_NONLOCALIZED) == "ERROR") {
        sent.refused = std::make_shared<Error>(refusal(owned));
      } else if (!sent.refused) {
        return false;
      }
      return true;
    default:  // COPY, which no unit may have
      fatal_ = "an answer that Drover does not expect";
      return false;
  }
}

void Wire::on_sync(std::deque<Answered>& answered) {
  Sent sent = std::move(sent_.front());
  sent_.pop_front();
  if (sent.parses && sent.refused) {
    sent.parses->refused = sent.refused;
    // The next unit that uses it has it parsed again.
    for (auto it = prepared_.begin(); it != prepared_.end(); ++it) {
      const auto erased = std::erase(it->second, sent.parses);
      if (erased == 0) continue;
      prepared_count_ -= erased;
      if (it->second.empty()) prepared_.erase(it);
      break;
    }
  }
  if (!sent.done) return;
  if (!sent.refused) {
    answered.push_back({std::move(sent.done), std::move(sent.rows)});
    return;
  }
  // Why the statement is not there says more than that it is not.
  for (const PreparedPtr& used : sent.uses) {
    if (used->refused && sqlstate(*sent.refused) == "26000") sent.refused = used->refused;
  }
  answered.push_back({std::move(sent.done), tl::unexpected(*sent.refused)});
}

void Wire::give_up(const Error& error, std::deque<Answered>& answered) {
  for (Sent& sent : sent_) {
    if (sent.done) {
      answered.push_back({std::move(sent.done), tl::unexpected(sent.refused ? *sent.refused : error)});
    }
  }
  sent_.clear();
}

}  // namespace drover::store::postgres
