#include "store/postgres/instances.h"

#include <algorithm>
#include <string_view>

#include "store/errc.h"
#include "store/label_text.h"

namespace drover::store::postgres {
namespace {

// Labels as they are where none are given.
const Statement kPut{"put_instance",
                     "WITH put AS (INSERT INTO drover.instance AS i(project, id, address, created_ms, labels)"
                     " VALUES($1, $2, $3, $4, coalesce($5::text, '')) ON CONFLICT(project, id)"
                     " DO UPDATE SET address = excluded.address, labels = coalesce($5::text, i.labels)"
                     " RETURNING i.seq, i.created_ms, i.labels),"
                     " noted AS (INSERT INTO drover.instance_change VALUES(txid_current(), $1, $2))"
                     " SELECT seq, created_ms, labels FROM put"};
const Statement kReadPut{
    "read_put_instance",
    "SELECT seq, created_ms, labels FROM drover.instance WHERE project = $1 AND id = $2"};
const Statement kChangedSince{
    "changed_instances",
    "SELECT i.seq, c.project, c.id, i.address, i.labels, i.created_ms FROM (SELECT DISTINCT n.project, n.id"
    " FROM drover.instance_unit u JOIN drover.instance_change n ON n.unit = u.unit WHERE u.version > $1) c"
    " LEFT JOIN drover.instance i ON i.project = c.project AND i.id = c.id ORDER BY i.seq"};
const Statement kRemove{"remove_instance", "SELECT drover.answer($1, drover.remove_instance($2))"};

Result<Instance> instance_of(const Rows& rows, int row) {
  auto labels = labels_of(rows.bytes(row, 4));
  if (!labels) return tl::make_unexpected(std::move(labels.error()));
  return Instance{.seq = rows.integer(row, 0),
                  .project = rows.integer(row, 1),
                  .id = std::string(rows.bytes(row, 2)),
                  .address = std::string(rows.bytes(row, 3)),
                  .labels = *std::move(labels),
                  .created_ms = rows.integer(row, 5)};
}

}  // namespace

Result<> check(const std::vector<Instance>& instances) {
  for (const Instance& instance : instances) {
    if (!instance.labels) continue;
    if (auto text = text_of(*instance.labels); !text) return tl::make_unexpected(std::move(text.error()));
  }
  return {};
}

void put_instances(Unit& unit, const std::vector<Instance>& instances) {
  for (const Instance& instance : instances) {
    Params params;
    params.add(instance.project).add_text(instance.id).add_text(instance.address).add(instance.created_ms);
    const auto labels = instance.labels ? text_of(*instance.labels) : Result<std::string>();
    if (instance.labels && labels) {
      params.add_text(*labels);
    } else {
      params.add_null();
    }
    unit.add(kPut, std::move(params));
  }
}

void read_put_instances(Unit& unit, const std::vector<Instance>& instances) {
  for (const Instance& instance : instances) {
    Params params;
    params.add(instance.project).add_text(instance.id);
    unit.add(kReadPut, std::move(params));
  }
}

Result<std::vector<Instance>> put_of(std::vector<Instance> instances, std::span<const Rows> rows) {
  if (rows.size() != instances.size()) return failure(Errc::kCorrupt, "answers of instances");
  for (std::size_t i = 0; i < instances.size(); ++i) {
    instances[i].seq = rows[i].integer(0, 0);
    instances[i].created_ms = rows[i].integer(0, 1);
    auto labels = labels_of(rows[i].bytes(0, 2));
    if (!labels) return tl::make_unexpected(std::move(labels.error()));
    instances[i].labels = *std::move(labels);
  }
  return instances;
}

void remove_instance(Unit& unit, std::int64_t epoch, std::int64_t seq) {
  Params params;
  params.add(epoch).add(seq);
  unit.add(kRemove, std::move(params));
}

void add_instances_read(Unit& unit) {
  unit.add("SELECT seq, project, id, address, labels, created_ms FROM drover.instance ORDER BY seq");
}

Result<std::vector<Instance>> instances_of(const Rows& rows) {
  std::vector<Instance> instances;
  instances.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    auto instance = instance_of(rows, row);
    if (!instance) return tl::make_unexpected(std::move(instance.error()));
    instances.push_back(*std::move(instance));
  }
  return instances;
}

void add_changed_instances_read(Unit& unit, std::int64_t since) {
  Params params;
  params.add(since);
  unit.add(kChangedSince, std::move(params));
}

Result<InstanceChanges> changed_instances_of(const Rows& rows) {
  InstanceChanges changes;
  for (int row = 0; row < rows.size(); ++row) {
    if (rows.is_null(row, 0)) {
      changes.removed.push_back({rows.integer(row, 1), std::string(rows.bytes(row, 2))});
      continue;
    }
    auto instance = instance_of(rows, row);
    if (!instance) return tl::make_unexpected(std::move(instance.error()));
    changes.there.push_back(*std::move(instance));
  }
  return changes;
}

}  // namespace drover::store::postgres
