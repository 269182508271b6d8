#include "launcher/ranks/failure_report.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace vitrail::launcher {
namespace {

std::string ranks_text(const std::vector<int>& ranks, int world) {
  if (static_cast<int>(ranks.size()) == world && world > 1) return "all ranks";
  std::string text = ranks.size() == 1 ? "rank" : "ranks";
  for (std::size_t i = 0; i < ranks.size(); ++i) text += fmt::format("{} {}", i == 0 ? "" : ",", ranks[i]);
  return text;
}

// Each once. slurm/requeue.sh reads it.
std::string hosts_text(const std::vector<int>& ranks, const std::vector<std::string>& hosts) {
  std::set<std::string> named;
  std::string text;
  for (const int rank : ranks) {
    const std::string& host = hosts.at(static_cast<std::size_t>(rank));
    if (named.insert(host).second) text += (text.empty() ? "" : ", ") + host;
  }
  return text;
}

// Every rank that reported has waited for others in vain.
bool all_waited(const sharding::Settlement& settlement) {
  return std::ranges::all_of(settlement.failures,
                             [](const auto& entry) { return entry.second.code == ExitCode::watchdog; });
}

// Indented under what the rank said.
std::string calls_text(int rank, const std::string& calls) {
  if (calls.empty()) return "";
  std::string text = fmt::format("    last calls of rank {}:\n      ", rank);
  for (const char c : calls) text += c == '\n' ? "\n      " : std::string(1, c);
  return text + "\n";
}

}  // namespace

const char* meaning_of(ExitCode code) {
  switch (code) {
    case ExitCode::done:
      return "done";
    case ExitCode::crash:
      return "crash";
    case ExitCode::usage:
      return "usage";
    case ExitCode::bad_data:
      return "bad data";
    case ExitCode::io:
      return "input/output";
    case ExitCode::refused:
      return "invalid configuration";
    case ExitCode::saved:
      return "checkpoint saved, requeue the job";
    case ExitCode::watchdog:
      return "a rank hung or timed out";
    case ExitCode::diverged:
      return "training diverged";
  }
  return "unknown";
}

std::string failure_report(const std::string& what, const sharding::Settlement& settlement,
                           const std::vector<std::string>& hosts, int self, const std::string& last_words) {
  const int world = static_cast<int>(hosts.size());
  std::vector<std::pair<std::string, std::vector<int>>> ranks_by_message;  // by their first rank
  std::set<std::string> hints;
  for (const auto& [rank, failure] : settlement.failures) {
    const auto same =
        std::ranges::find(ranks_by_message, failure.message, [](const auto& e) { return e.first; });
    if (same == ranks_by_message.end()) {
      ranks_by_message.push_back({failure.message, {rank}});
    } else {
      same->second.push_back(rank);
    }
    if (!failure.hint.empty()) hints.insert(failure.hint);
  }
  std::string text;
  if (world == 1) {
    text = fmt::format("vitrail: {} stopped: {}\n", what, settlement.failures.at(0).message);
  } else {
    text =
        fmt::format("vitrail: {} stopped: {} of {} ranks failed\n", what, settlement.failures.size(), world);
    std::string silent;
    if (!settlement.unanswered.empty()) {
      silent = fmt::format("  {} on {} stopped responding (says {}); the launcher ends it\n",
                           ranks_text(settlement.unanswered, world), hosts_text(settlement.unanswered, hosts),
                           hosts.at(static_cast<std::size_t>(self)));
    }
    const bool only_waited = all_waited(settlement);  // then the silent ones are to blame: they come first
    if (only_waited) text += silent;
    for (const auto& [message, ranks] : ranks_by_message) {
      text += fmt::format("  {}: {}\n", ranks_text(ranks, world), message);
      text += calls_text(ranks.front(), settlement.failures.at(ranks.front()).recent_calls);
    }
    if (!only_waited) text += silent;
  }
  for (const std::string& hint : hints) text += fmt::format("  hint: {}\n", hint);
  if (!last_words.empty()) text += fmt::format("{}\n", last_words);
  text +=
      fmt::format("exit status {} ({})\n", static_cast<int>(settlement.code), meaning_of(settlement.code));
  return text;
}

}  // namespace vitrail::launcher
