#include "store/postgres/directory.h"

#include <span>
#include <utility>

#include "store/postgres/identities.h"
#include "store/postgres/instances.h"

namespace drover::store::postgres {
namespace {

const Statement kVersions{"directory_versions",
                          "SELECT version, identities, instances, noted_from FROM drover.directory"};

Result<InstanceChanges> all_of(const Rows& rows) {
  auto all = instances_of(rows);
  if (!all) return tl::make_unexpected(std::move(all.error()));
  return InstanceChanges{true, *std::move(all), {}};
}

}  // namespace

Unit ask(const DirectoryQuestion& question) {
  Unit unit;
  unit.add(kVersions, {});
  if (question.instances && question.since == 0) add_instances_read(unit);
  if (question.instances && question.since != 0) add_changed_instances_read(unit, question.since);
  if (question.identities) add_identities_read(unit);
  return unit;
}

Result<DirectoryAnswer> answer_of(const DirectoryQuestion& question, const std::vector<Rows>& rows) {
  DirectoryAnswer answer;
  const Rows& versions = rows.front();
  const auto later = [&](int column) { return versions.integer(0, column) > question.as_of; };
  const bool left_out = (!question.identities && later(1)) || (!question.instances && later(2));
  answer.version = left_out ? question.as_of : versions.integer(0, 0);
  auto rest = std::span(rows).subspan(1);
  if (question.instances) {
    answer.gap = question.since != 0 && question.since < versions.integer(0, 3);
    if (answer.gap) return answer;
    auto changes = question.since == 0 ? all_of(rest[0]) : changed_instances_of(rest[0]);
    if (!changes) return tl::make_unexpected(std::move(changes.error()));
    answer.change.instances = *std::move(changes);
    rest = rest.subspan(1);
  }
  if (question.identities) answer.change.identity = identities_of(rest);
  return answer;
}

}  // namespace drover::store::postgres
