#include "store/sqlite/instances.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "store/errc.h"
#include "store/label_text.h"
#include "store/sqlite/rows.h"

namespace drover::store::sqlite {
Result<InstanceWrites> InstanceWrites::open(Database& db) {
  InstanceWrites self;
  self.db_ = &db;
  auto prepared = db.prepare({
      {&self.put_,
       "INSERT INTO instance(project, id, address, created_ms, labels) VALUES(?1, ?2, ?3, ?4, ifnull(?5, ''))"
       " ON CONFLICT(project, id) DO UPDATE SET address = excluded.address, labels = ifnull(?5, labels)"
       " RETURNING seq, created_ms, labels"},
      {&self.remove_, "DELETE FROM instance WHERE seq = ?1"},
  });
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  return self;
}

Result<std::vector<Instance>> InstanceWrites::put(std::vector<Instance> instances) {
  for (Instance& instance : instances) {
    Result<std::string> labels;
    if (instance.labels) labels = text_of(*instance.labels);
    if (!labels) return tl::make_unexpected(std::move(labels.error()));
    put_.bind(instance.project, std::string_view(instance.id), std::string_view(instance.address),
              instance.created_ms, instance.labels ? std::optional<std::string_view>(*labels) : std::nullopt);
    auto row = put_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    instance.seq = put_.integer(0);
    instance.created_ms = put_.integer(1);
    Result<Labels> in_force = labels_of(put_.bytes(2));
    put_.reset();
    if (!in_force) return tl::make_unexpected(std::move(in_force.error()));
    instance.labels = *std::move(in_force);
  }
  return instances;
}

Result<> InstanceWrites::remove(std::int64_t seq) {
  if (auto done = remove_.bind(seq).run(); !done) return done;
  if (db_->changes() == 0) return failure(Errc::kNotFound, "instance number " + std::to_string(seq));
  return {};
}

Result<std::vector<Instance>> read_instances(Database& db) {
  std::vector<Instance> instances;
  auto done = read_all(db, "SELECT seq, project, id, address, labels, created_ms FROM instance ORDER BY seq",
                       instances, [](const Statement& row) {
                         return labels_of(row.bytes(4)).map([&row](Labels labels) {
                           return Instance{.seq = row.integer(0),
                                           .project = row.integer(1),
                                           .id = std::string(row.bytes(2)),
                                           .address = std::string(row.bytes(3)),
                                           .labels = std::move(labels),
                                           .created_ms = row.integer(5)};
                         });
                       });
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return instances;
}

}  // namespace drover::store::sqlite
