#include "launcher/doctor/facts/machine.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <clocale>
#include <filesystem>

#include <sys/resource.h>
#include <sys/statvfs.h>

#include "launcher/cli/version.hpp"
#include "launcher/doctor/facts/facts_json.hpp"
#include "trainer/base/processors.hpp"
#include "trainer/run/program.hpp"

namespace vitrail::launcher {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MachineFacts, host, programs, instructions, mask, processors, shared_free,
                                   locked_most, files_most, infiniband, locale, locale_known, clock_ahead_s)

namespace {

std::optional<std::uint64_t> limit_of(__rlimit_resource_t resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

std::optional<std::uint64_t> free_in(const char* folder) {
  struct statvfs space {};
  if (::statvfs(folder, &space) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
}

// That of the variables, without setting it.
bool locale_is_known() {
  const locale_t locale = ::newlocale(LC_ALL_MASK, "", nullptr);
  if (locale == nullptr) return false;
  ::freelocale(locale);
  return true;
}

// How far each rank's clock is ahead of rank 0's, when all leave the same barrier: the median of some looks.
std::vector<double> clocks_ahead(sharding::Communicator& ranks) {
  constexpr std::size_t kLooks = 7;
  const auto size = static_cast<std::size_t>(ranks.size()), own = static_cast<std::size_t>(ranks.rank());
  std::vector<std::array<double, kLooks>> looks(size);
  for (std::size_t look = 0; look < kLooks; ++look) {
    ranks.barrier();
    std::vector<double> clocks(size);
    clocks[own] = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    ranks.all_reduce_sum(clocks);
    for (std::size_t rank = 0; rank < size; ++rank) looks[rank][look] = clocks[rank] - clocks.front();
  }
  std::vector<double> ahead;
  for (auto& of_rank : looks) {
    std::ranges::nth_element(of_rank, of_rank.begin() + kLooks / 2);
    ahead.push_back(of_rank[kLooks / 2]);
  }
  return ahead;
}

}  // namespace

std::map<std::string, std::string> programs_here() {
  const trainer::ProgramFacts build = build_facts();
  const auto libraries = library_versions();
  std::map<std::string, std::string> programs(libraries.begin(), libraries.end());
  programs["vitrail"] = fmt::format("{} ({})", build.at("version"), build.at("commit"));
#ifdef VITRAIL_TORCH
  programs["program file"] = trainer::hash_of_program();
#endif
  return programs;
}

std::vector<MachineFacts> gather_machines(sharding::Communicator& ranks, const Environment& environment) {
  const Processors processors = vitrail::processors();
  std::error_code none;
  MachineFacts own;
  own.host = environment.host;
  own.programs = programs_here();
  own.instructions = instructions_here();
  own.mask = processors.mask;
  own.processors = processors.count();
  own.shared_free = free_in("/dev/shm");
  own.locked_most = limit_of(RLIMIT_MEMLOCK);
  own.files_most = limit_of(RLIMIT_NOFILE);
  own.infiniband = !std::filesystem::is_empty("/sys/class/infiniband", none) && !none;
  own.locale = environment.locale;
  own.locale_known = locale_is_known();
  own.clock_ahead_s = clocks_ahead(ranks)[static_cast<std::size_t>(ranks.rank())];
  return gather_facts(ranks, own);
}

}  // namespace vitrail::launcher
