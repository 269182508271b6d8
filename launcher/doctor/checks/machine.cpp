#include "launcher/doctor/checks/machine.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sharding/agreement/agreement.hpp"
#include "trainer/run/run_warnings.hpp"

namespace vitrail::launcher {
namespace {

constexpr const char* kWorld = "world";
constexpr const char* kMachine = "machine";

// Of the ranks for which it holds.
template <class Holds>
std::vector<std::string> hosts_where(const Machines& ranks, Holds&& holds) {
  std::vector<std::string> hosts;
  for (const MachineFacts& rank : ranks) {
    if (holds(rank)) hosts.push_back(rank.host);
  }
  return hosts;
}

std::map<std::string, std::int64_t> ranks_of_hosts(const Machines& ranks) {
  std::map<std::string, std::int64_t> counts;
  for (const MachineFacts& rank : ranks) ++counts[rank.host];
  return counts;
}

std::string plural(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::vector<std::string> hosts_of(const Machines& ranks) {
  std::vector<std::string> hosts;
  for (const MachineFacts& rank : ranks) hosts.push_back(rank.host);
  return hosts;
}

Finding check_tasks(const Machines& ranks, const Environment& environment) {
  const std::size_t nodes = ranks_of_hosts(ranks).size();
  Finding finding{kWorld, "tasks"};
  finding.numbers = {{"ranks", static_cast<double>(ranks.size())}, {"nodes", static_cast<double>(nodes)}};
  if (environment.launcher != Launcher::none) {
    finding.figure =
        fmt::format("{} by {}, joined to one world on {}", plural(ranks.size(), "task"),
                    environment.launcher == Launcher::slurm ? "srun" : "mpirun", plural(nodes, "node"));
    return finding;
  }
  finding.figure = "one process: no ranks and no links were looked at";
  if (environment.slurm) {
    finding.verdict = Verdict::unknown;
    finding.figure += fmt::format(", though job {} has {}", environment.slurm->id,
                                  plural(static_cast<std::size_t>(environment.slurm->nodes), "node"));
    finding.remedy = "vitrail launch --doctor starts it on all ranks of the job";
  }
  return finding;
}

Finding unjoined_tasks(const Error& error) {
  return {kWorld, "tasks", Verdict::failed, error.what(), error.hint()};
}

Finding check_programs(const Machines& ranks) {
  Finding finding{kWorld, "programs"};
  std::vector<std::vector<sharding::Fact>> facts;
  for (const MachineFacts& rank : ranks) {
    facts.emplace_back();
    for (const auto& [name, version] : rank.programs) facts.back().push_back({name, version});
  }
  std::string differences;
  for (const sharding::Disagreement& of : sharding::find_disagreements(facts, hosts_of(ranks))) {
    if (!of.words.empty()) differences += (differences.empty() ? "" : "; ") + of.words;
  }
  if (!differences.empty()) {
    finding.verdict = Verdict::failed;
    finding.figure = differences;
    finding.remedy =
        "let all nodes load the same modules and start the same program: a run refuses ranks that differ";
    return finding;
  }
  const auto& programs = ranks.front().programs;
  std::vector<std::string> words;
  if (programs.contains("vitrail")) words.push_back("vitrail " + programs.at("vitrail"));
  for (const auto& [name, version] : programs) {
    if (name != "vitrail" && name != "program file")
      words.push_back(name == "MPI" ? version : fmt::format("{} {}", name, version));
  }
  finding.figure =
      fmt::format("{}{}", fmt::join(words, ", "), ranks.size() == 1 ? "" : ": the same on all ranks");
  return finding;
}

Finding check_instructions(const Machines& ranks) {
  Finding finding{kWorld, "processor type"};
  std::map<std::string, std::vector<std::string>> hosts;
  for (const MachineFacts& rank : ranks) hosts[rank.instructions].push_back(rank.host);
  std::vector<std::string> words;
  for (const auto& [instructions, of] : hosts)
    words.push_back(hosts.size() == 1 ? instructions : fmt::format("{} on {}", instructions, some_of(of)));
  finding.figure = fmt::format("{}", fmt::join(words, "; "));
  if (hosts.size() > 1) {
    finding.verdict = Verdict::warning;
    finding.remedy =
        "a run goes, but not with the bits of alike machines: ask for one kind of node (--constraint)";
  }
  return finding;
}

Finding check_processors(const Machines& ranks, const std::optional<RankThreads>& threads) {
  Finding finding{kMachine, "processors"};
  std::vector<trainer::RankShare> shares;
  std::set<std::string> masks;
  for (const MachineFacts& rank : ranks) {
    shares.push_back({rank.host, rank.mask, rank.processors});
    masks.insert(fmt::format("{} (mask {})", rank.processors, rank.mask));
  }
  finding.figure =
      fmt::format("{}{}", some_of({masks.begin(), masks.end()}), ranks.size() == 1 ? "" : " for a rank");
  finding.numbers = {{"processors", static_cast<double>(ranks.front().processors)}};
  if (!threads) return finding;
  const auto crowded = trainer::crowded(shares, threads->compute, threads->loaders);
  finding.figure += fmt::format("; run.threads = {}, data.workers = {}", threads->compute, threads->loaders);
  if (crowded.empty()) return finding;
  finding.verdict = Verdict::warning;
  finding.figure = some_of(crowded);
  finding.remedy = "give ranks more processors (--cpus-per-task), or lower run.threads and data.workers";
  return finding;
}

// Open MPI's shared memory takes 4 MiB for a rank, and NCCL's rings some more for each pair of neighbours.
Finding check_shared_memory(const Machines& ranks) {
  constexpr double kForARank = 16e6;
  Finding finding{kMachine, "/dev/shm"};
  const auto counts = ranks_of_hosts(ranks);
  std::vector<std::string> without, small;
  double least = INFINITY, wanted = 0;
  for (const MachineFacts& rank : ranks) {
    const double need = kForARank * static_cast<double>(counts.at(rank.host));
    wanted = std::max(wanted, need);
    if (!rank.shared_free) {
      without.push_back(rank.host);
    } else {
      const auto free = static_cast<double>(*rank.shared_free);
      least = std::min(least, free);
      if (free < need) small.push_back(rank.host);
    }
  }
  if (!without.empty()) {
    finding.verdict = Verdict::warning;
    finding.figure = fmt::format("not there on {}", some_of(without));
    finding.remedy =
        "ranks of one node talk through files instead: mount a tmpfs there (containers: --ipc=host)";
    return finding;
  }
  finding.numbers = {{"free_bytes", least}};
  finding.figure = fmt::format("{} free{}", bytes_text(least), ranks.size() == 1 ? "" : " where it is least");
  if (small.empty()) return finding;
  finding.verdict = Verdict::warning;
  finding.figure += fmt::format(" ({}); ranks of a node want {}", some_of(small), bytes_text(wanted));
  finding.remedy = "mount -o remount,size=50% /dev/shm; containers: --shm-size or --ipc=host";
  return finding;
}

// InfiniBand's adapters read and write memory that must not move.
Finding check_locked_memory(const Machines& ranks) {
  Finding finding{kMachine, "locked memory"};
  const auto limited =
      hosts_where(ranks, [](const MachineFacts& rank) { return rank.locked_most.has_value(); });
  if (limited.empty()) {
    finding.figure = "unlimited";
    return finding;
  }
  std::optional<std::uint64_t> least;
  for (const MachineFacts& rank : ranks) {
    if (rank.locked_most) least = std::min(*rank.locked_most, least.value_or(*rank.locked_most));
  }
  finding.figure = fmt::format("at most {}", bytes_text(static_cast<double>(*least)));
  finding.numbers = {{"bytes", static_cast<double>(*least)}};
  const auto fabric = hosts_where(
      ranks, [](const MachineFacts& rank) { return rank.infiniband && rank.locked_most.has_value(); });
  if (fabric.empty()) {
    finding.figure += ", which only InfiniBand would mind; there is none here";
    return finding;
  }
  finding.verdict = Verdict::warning;
  finding.figure += fmt::format(" on {}, with InfiniBand", some_of(fabric));
  finding.remedy =
      "messages go over TCP or fail: ulimit -l unlimited (limits.conf: memlock), for jobs "
      "LimitMEMLOCK=infinity of slurmd";
  return finding;
}

// Sockets to every rank, a shard of a pack for each that is open, and the program's own.
Finding check_open_files(const Machines& ranks, std::uint64_t shards) {
  constexpr std::uint64_t kOwn = 128;
  const std::uint64_t wanted = kOwn + 2 * ranks.size() + shards;
  Finding finding{kMachine, "open files"};
  const auto small = hosts_where(
      ranks, [&](const MachineFacts& rank) { return rank.files_most && *rank.files_most < wanted; });
  std::optional<std::uint64_t> least;
  for (const MachineFacts& rank : ranks) {
    if (rank.files_most) least = std::min(*rank.files_most, least.value_or(*rank.files_most));
  }
  finding.figure = least ? fmt::format("at most {}", *least) : "unlimited";
  if (least) finding.numbers = {{"files", static_cast<double>(*least)}};
  if (small.empty()) return finding;
  finding.verdict = Verdict::warning;
  finding.figure += fmt::format(" on {}, where a rank may want {}", some_of(small), wanted);
  finding.remedy = fmt::format("ulimit -n {} or more before the program is started (limits.conf: nofile)",
                               std::max<std::uint64_t>(4096, wanted));
  return finding;
}

Finding check_locale(const Machines& ranks) {
  Finding finding{kMachine, "locale"};
  const auto unknown = hosts_where(ranks, [](const MachineFacts& rank) { return !rank.locale_known; });
  const std::string& asked = ranks.front().locale;
  finding.figure = asked.empty() ? "none asked for" : asked;
  if (unknown.empty()) return finding;
  finding.verdict = Verdict::warning;
  finding.figure += fmt::format(", which is not installed on {}", some_of(unknown));
  finding.remedy = "shells and Python warn on every rank: export LC_ALL=C.UTF-8";
  return finding;
}

// The end of a job's time comes by each rank's own clock (run.stop_before), which lets them differ by some
// seconds; munge refuses what is five minutes old.
Finding check_clocks(const Machines& ranks) {
  constexpr double kNoticed = 1, kHarmful = 30;
  Finding finding{kMachine, "clocks"};
  if (ranks.size() == 1) {
    finding.verdict = Verdict::unknown;
    finding.figure = "one rank: there is no other clock";
    return finding;
  }
  const auto by_size = [](const MachineFacts& a, const MachineFacts& b) {
    return std::abs(a.clock_ahead_s) < std::abs(b.clock_ahead_s);
  };
  const MachineFacts& most = *std::ranges::max_element(ranks, by_size);
  const double apart = std::abs(most.clock_ahead_s);
  finding.numbers = {{"seconds", most.clock_ahead_s}};
  finding.figure = fmt::format("at most {} apart", seconds_text(apart));
  if (apart < kNoticed) return finding;
  finding.verdict = apart < kHarmful ? Verdict::warning : Verdict::failed;
  finding.figure = fmt::format("{} is {} {} {}", most.host, seconds_text(apart),
                               most.clock_ahead_s > 0 ? "ahead of" : "behind", ranks.front().host);
  finding.remedy = fmt::format(
      "set the clocks (chronyc makestep): a run stops by them before the job's time is over "
      "(run.stop_before), "
      "and {}",
      apart < kHarmful ? "logs and traces are hard to compare" : "Slurm's credentials expire");
  return finding;
}

}  // namespace vitrail::launcher
