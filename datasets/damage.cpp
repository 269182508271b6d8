#include "datasets/damage.hpp"

#include <algorithm>
#include <sstream>

#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

std::uint64_t replacement_of(std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample,
                             std::uint64_t attempt, std::uint64_t samples) {
  Philox stream(seed, Purpose::replacement, epoch, sample, static_cast<std::uint32_t>(attempt));
  return (sample + 1 + stream.below(samples - 1)) % samples;
}

std::uint64_t damage_allowed(std::uint64_t samples) { return std::max<std::uint64_t>(1, samples / 1000); }

void check_damage(const DamageLedger& ledger, std::uint64_t samples, const std::string& source) {
  const std::uint64_t allowed = damage_allowed(samples);
  if (ledger.size() <= allowed) return;
  throw Error(ExitCode::bad_data,
              fmt::format("{}: {} of {} records are damaged, at most {} are replaced; the first is {}",
                          source, ledger.size(), samples, allowed, ledger.begin()->second),
              "`vitrail verify PACK` lists everything that is damaged in a pack; of other sources the log "
              "names what was met");
}

std::string to_text(const DamageLedger& ledger) {
  std::string text;
  for (const auto& [sample, why] : ledger) {
    std::string line = why;
    std::ranges::replace(line, '\n', ' ');
    text += fmt::format("{} {}\n", sample, line);
  }
  return text;
}

DamageLedger parse_damage(const std::string& text) {
  DamageLedger ledger;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    ledger.emplace(std::stoull(line), line.substr(space + 1));
  }
  return ledger;
}

}  // namespace vitrail::datasets
