// Whether one thing takes as long as another, on a machine that does other work beside.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

namespace drover::identity {

// How much the quickest run of each takes, as a ratio to the quickest run of the first. Each of `runs` does
// its thing once and gives the time it took. They run in turns, at least 5 times each, then until all ratios
// lie within 1/factor and factor, for 60 times at most. Other work only ever adds to a run, so the more of
// them there are, the closer the quickest come to what is truly needed: a true difference stays, however
// often it is measured.
inline std::vector<double> ratios_to_first(const std::vector<std::function<double()>>& runs, double factor) {
  std::vector<double> quickest(runs.size(), std::numeric_limits<double>::infinity());
  std::vector<double> ratios(runs.size());
  for (int round = 1; round <= 60; ++round) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      quickest[i] = std::min(quickest[i], runs[i]());
      ratios[i] = quickest[i] / quickest[0];
    }
    const auto alike = [&](double ratio) { return ratio > 1 / factor && ratio < factor; };
    if (round >= 5 && std::ranges::all_of(ratios, alike)) break;
  }
  return ratios;
}

}  // namespace drover::identity
