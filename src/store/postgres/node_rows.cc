#include "store/postgres/node_rows.h"

namespace drover::store::postgres {
namespace {

const Statement kRenew{
    "renew",
    "UPDATE drover.lease SET"
    " expires_at = CASE WHEN $5 THEN clock_timestamp() + $2 * interval '1 millisecond' ELSE expires_at END,"
    " seen = CASE WHEN $3 = 0 THEN seen ELSE $3 END, leaving = $4, full_of = $6 WHERE epoch = $1"};
const Statement kOthers{"others",
                        "SELECT n.epoch, n.name, coalesce(l.seen, 0),"
                        " (extract(epoch FROM l.expires_at) * 1000000)::int8,"
                        " (extract(epoch FROM l.expires_at - clock_timestamp()) * 1000)::int8, l.leaving,"
                        " array_to_string(l.full_of, ',')"
                        " FROM drover.node n JOIN drover.lease l ON l.epoch = n.epoch WHERE n.epoch <> $1"
                        " ORDER BY n.epoch"};
const Statement kDirectory{"directory",
                           "SELECT version, map, identities, instances, (extract(epoch FROM "
                           "clock_timestamp()) * 1000)::int8 FROM drover.directory"};
const Statement kShardOwners{"shard_owners", "SELECT id, node FROM drover.shard WHERE node IS NOT NULL"};
const Statement kInbox{"inbox", "SELECT 1 FROM drover.inbox WHERE node = $1 AND kind = 0 LIMIT 1"};
const Statement kCancels{"cancels",
                         "SELECT id, task FROM drover.inbox WHERE node = $1 AND kind = 1 ORDER BY id"};
const Statement kFinished{"finished",
                          "SELECT task FROM unnest($1::int8[]) AS n(task)"
                          " WHERE NOT EXISTS (SELECT 1 FROM drover.open_task o WHERE o.seq = n.task)"};
const Statement kCancelled{"cancelled",
                           "SELECT n.task FROM unnest($1::int8[]) AS n(task) WHERE NOT EXISTS"
                           " (SELECT 1 FROM drover.inbox i WHERE i.task = n.task AND i.kind = 1)"};

std::vector<std::int64_t> first_column(const Rows& rows) {
  std::vector<std::int64_t> values;
  for (int row = 0; row < rows.size(); ++row) values.push_back(rows.integer(row, 0));
  return values;
}

}  // namespace

Unit register_node(const std::string& node_id, const std::string& node_name, std::int64_t version) {
  Unit unit;
  // migration() has this lock alone: either it sees the node, or the node sees the version that it led to.
  unit.add("SELECT pg_advisory_xact_lock_shared(4923250421)");
  Params params;
  params.add_text(node_id).add_text(node_name).add(static_cast<std::int64_t>(kLeaseTime.count()));
  params.add(version);
  unit.add(
      "SELECT version, CASE WHEN version = $4 THEN drover.register_node($1, $2, $3) END FROM drover.version",
      std::move(params));
  return unit;
}

Unit pulse(const Questions& questions) {
  const auto of_node = [&] {
    Params params;
    params.add(questions.epoch);
    return params;
  };
  Params renew = of_node();
  renew.add(static_cast<std::int64_t>(kLeaseTime.count())).add(questions.seen);
  renew.add_bool(questions.leaving).add_bool(questions.renew).add(questions.full);
  Params watched;
  watched.add(questions.watched);
  Params cancelling;
  cancelling.add(questions.cancelling);
  Unit unit;
  unit.add(kRenew, std::move(renew));
  // First its version: what that says of nodes is to be in what follows.
  unit.add(kDirectory, {});
  unit.add(kOthers, of_node());
  unit.add(kShardOwners, {});
  unit.add(kInbox, of_node());
  unit.add(kCancels, of_node());
  unit.add(kFinished, std::move(watched));
  unit.add(kCancelled, std::move(cancelling));
  return unit;
}

News news_of(const std::vector<Rows>& rows) {
  News news;
  news.lost = rows.size() < 8 || rows[0].changed() == 0;
  if (news.lost) return news;
  news.map.alone = true;
  for (int row = 0; row < rows[2].size(); ++row) {
    OtherNode other{rows[2].integer(row, 0),          std::string(rows[2].bytes(row, 1)),
                    rows[2].integer(row, 2),          rows[2].integer(row, 3),
                    rows[2].integer(row, 4),          rows[2].integer(row, 5) != 0,
                    numbers_of(rows[2].bytes(row, 6))};
    if (other.seen != 0) news.map.alone = false;
    news.others.push_back(std::move(other));
  }
  news.directory = rows[1].integer(0, 0);
  news.map.version = rows[1].integer(0, 1);
  news.identities = rows[1].integer(0, 2);
  news.instances = rows[1].integer(0, 3);
  news.clock_ms = rows[1].integer(0, 4);
  for (int row = 0; row < rows[3].size(); ++row) {
    const auto shard = static_cast<std::size_t>(rows[3].integer(row, 0));
    if (shard < kShards) news.map.owners[shard] = rows[3].integer(row, 1);
  }
  news.inbox = rows[4].size() > 0;
  for (int row = 0; row < rows[5].size(); ++row)
    news.cancels.push_back({rows[5].integer(row, 0), rows[5].integer(row, 1)});
  news.finished = first_column(rows[6]);
  news.cancelled = first_column(rows[7]);
  return news;
}

}  // namespace drover::store::postgres
