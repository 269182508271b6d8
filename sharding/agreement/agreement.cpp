#include "sharding/agreement/agreement.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "sharding/agreement/nodes.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::sharding {
namespace {

constexpr char kBetween = '\x1e';  // facts
constexpr char kEquals = '\x1f';   // name and value
constexpr std::size_t kShown = 4;  // differences in one message

std::string to_text(const std::vector<Fact>& facts) {
  std::string text;
  for (const Fact& fact : facts) text += kBetween + fact.name + kEquals + fact.value;
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string shown(const std::string& value) { return value.empty() ? "empty" : value; }

// The value that most ranks have; of equally frequent ones, the lowest rank's.
std::string usual_value(const std::vector<std::string>& by_rank) {
  std::map<std::string, std::ptrdiff_t> count;
  for (const std::string& value : by_rank) ++count[value];
  return *std::ranges::max_element(by_rank, {}, [&](const auto& value) { return count[value]; });
}

}  // namespace

std::vector<Disagreement> find_disagreements(const std::vector<std::vector<Fact>>& facts,
                                             const std::vector<std::string>& hosts) {
  std::map<std::string, std::vector<std::string>> values;  // by name, then by rank
  for (std::size_t rank = 0; rank < facts.size(); ++rank) {
    for (const Fact& fact : facts[rank]) {
      auto& by_rank = values[fact.name];
      by_rank.resize(facts.size(), "missing");
      by_rank[rank] = fact.value;
    }
  }
  std::vector<Disagreement> found;
  for (const auto& [name, by_rank] : values) {
    const std::string usual = usual_value(by_rank);
    const auto odd = std::ranges::find_if(by_rank, [&](const auto& value) { return value != usual; });
    if (odd == by_rank.end()) continue;
    const auto rank = static_cast<std::size_t>(odd - by_rank.begin());
    const auto others = std::ranges::count(by_rank, usual);
    found.push_back({static_cast<int>(rank),
                     fmt::format("{} is {} on rank {} ({}), {} on {} other{}", name, shown(*odd), rank,
                                 hosts[rank], shown(usual), others, others == 1 ? "" : "s")});
  }
  return found;
}

void check_agreement(Communicator& communicator, const std::vector<Fact>& facts, ExitCode code,
                     const std::string& hint) {
  // Of a thousand ranks all facts are megabytes: they are only gathered where their hashes differ.
  const std::vector<std::string> hashes = gather_text(communicator, hash_text(to_text(facts)).hex());
  if (std::ranges::adjacent_find(hashes, std::ranges::not_equal_to()) == hashes.end()) return;
  std::vector<std::vector<Fact>> of_ranks;
  std::vector<std::string> hosts;
  for (const std::string& text : gather_text(communicator, host_name() + to_text(facts))) {
    std::vector<std::string> parts = split(text, kBetween);
    hosts.push_back(parts.front());
    std::vector<Fact>& of_rank = of_ranks.emplace_back();
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const std::size_t equals = parts[i].find(kEquals);
      of_rank.push_back({parts[i].substr(0, equals), parts[i].substr(equals + 1)});
    }
  }
  const std::vector<Disagreement> found = find_disagreements(of_ranks, hosts);
  if (found.empty()) return;
  std::string words = "ranks differ: ";
  for (std::size_t i = 0; i < std::min(found.size(), kShown); ++i) {
    words += (i == 0 ? "" : "; ") + found[i].words;
  }
  if (found.size() > kShown) words += fmt::format("; and {} more", found.size() - kShown);
  throw AgreedError({code, words, hint}, found.front().rank);
}

}  // namespace vitrail::sharding
