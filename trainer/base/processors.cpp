#include "trainer/base/processors.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include "trainer/base/text/number.hpp"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

constexpr int kMostProcessors = 1 << 16;

// The first line of a file, empty where there is none.
std::string line_of(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

std::optional<double> share(const std::string& quota, const std::string& period) {
  const auto time = whole_number<std::int64_t>(quota);  // "max" and -1: no limit
  const auto of = whole_number<std::int64_t>(period);
  if (!time || !of || *time <= 0 || *of <= 0) return std::nullopt;
  return static_cast<double>(*time) / static_cast<double>(*of);
}

std::optional<double> quota_in(const fs::path& group) {
  std::istringstream both(line_of(group / "cpu.max"));
  std::string quota, period;
  if (both >> quota >> period) return share(quota, period);
  return share(line_of(group / "cpu.cfs_quota_us"), line_of(group / "cpu.cfs_period_us"));
}

std::optional<int> cpuset_in(const fs::path& group) {
  for (const char* file : {"cpuset.cpus.effective", "cpuset.effective_cpus"}) {
    if (const int count = count_in_list(line_of(group / file)); count > 0) return count;
  }
  return std::nullopt;
}

// A group and those that it is in, up to the root of its hierarchy. Inside a container the path may be the
// host's, of which nothing is seen but the root.
std::vector<fs::path> with_parents(const fs::path& hierarchy, const std::string& group) {
  std::vector<fs::path> groups;
  for (fs::path path = fs::path(group).relative_path(); !path.empty(); path = path.parent_path())
    groups.push_back(hierarchy / path);
  groups.push_back(hierarchy);
  return groups;
}

// Where the hierarchy of these controllers ("cpu,cpuacct"; empty: version 2) may be mounted.
std::vector<fs::path> hierarchies(const std::string& controllers, const fs::path& root) {
  if (controllers.empty()) return {root, root / "unified"};
  std::vector<fs::path> places = {root / controllers};
  std::istringstream parts(controllers);
  for (std::string part; std::getline(parts, part, ',');) places.push_back(root / part);
  return places;
}

std::string mask_text(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[i]);
    if (end > i) text += fmt::format("-{}", numbers[end]);
    i = end + 1;
  }
  return text;
}

// The calling thread's, empty where the kernel does not tell.
std::vector<int> masked_processors() {
  std::vector<int> numbers;
  for (int most = 1024; most <= kMostProcessors; most *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(most),
                                                               [](cpu_set_t* it) { CPU_FREE(it); });
    const std::size_t bytes = CPU_ALLOC_SIZE(most);
    if (!set || ::sched_getaffinity(0, bytes, set.get()) != 0) continue;  // the kernel knows of more
    for (int number = 0; number < most; ++number) {
      if (CPU_ISSET_S(number, bytes, set.get())) numbers.push_back(number);
    }
    break;
  }
  return numbers;
}

}  // namespace

int Processors::count() const {
  return std::max(1, quota ? std::min(masked, static_cast<int>(*quota)) : masked);
}

bool Processors::may_be_bound() const { return masked >= offered && (!quota || *quota >= masked); }

int count_in_list(const std::string& list) {
  int count = 0;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t dash = part.find('-');
    const auto first = whole_number<int>(part.substr(0, dash));
    const auto last = dash == std::string::npos ? first : whole_number<int>(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= kMostProcessors) return 0;
    count += *last - *first + 1;
  }
  return count;
}

CgroupLimits cgroup_limits(const fs::path& membership, const fs::path& root) {
  CgroupLimits limits;
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // "4:cpu,cpuacct:/path", "0::/path"
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string group = line.substr(second + 1);
    for (const fs::path& hierarchy : hierarchies(line.substr(first + 1, second - first - 1), root)) {
      for (const fs::path& path : with_parents(hierarchy, group)) {
        const std::optional<double> quota = quota_in(path);
        if (quota) limits.quota = std::min(*quota, limits.quota.value_or(*quota));
        if (!limits.cpuset) limits.cpuset = cpuset_in(path);
      }
    }
  }
  return limits;
}

Processors processors() {
  Processors found;
  const CgroupLimits limits = cgroup_limits("/proc/self/cgroup", "/sys/fs/cgroup");
  const auto online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  const std::vector<int> numbers = masked_processors();
  found.offered = std::max(1, limits.cpuset.value_or(online));
  found.masked = numbers.empty() ? found.offered : static_cast<int>(numbers.size());
  found.quota = limits.quota;
  found.mask = mask_text(numbers);
  return found;
}

int available_processors() { return processors().count(); }

}  // namespace vitrail
