// The ways in which storing fails.
#pragma once

#include <system_error>

namespace drover::store {

enum class Errc {
  kUnavailable = 1,  // the disk is full or fails: nothing was stored; trying again later may work
  kCorrupt,          // the file is damaged or no database of ours
  kTooNew,           // written by a later version of Drover
  kLocked,           // another process has it open
  kExists,           // the name is taken
  kNotFound,         // there is no such thing
  kClosed,           // the store was closed
  kUnknownFate,      // the connection to the database broke before the answer: it may be stored
  kRejected,         // the database refused a command: nothing was stored
  kWrongClock,       // this machine's, by that of the database, which other nodes go by
  kOldNodes,         // an earlier version of Drover runs on the database, whose version is to be changed
  kFenced,           // another node has taken over: this one stores nothing any more
};

std::error_code make_error_code(Errc code);

}  // namespace drover::store

template <>
struct std::is_error_code_enum<drover::store::Errc> : std::true_type {};
