#include "launcher/doctor/facts/gpus.hpp"

#include <algorithm>
#include <array>

#include <unistd.h>

#include "launcher/doctor/facts/facts_json.hpp"
#include "trainer/device/nvml.hpp"

namespace vitrail::launcher {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(GpuFacts, name, uuid, compute_mode, corrects_errors, uncorrected,
                                   used_bytes, bytes, others)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(GpusOfRank, host, library, driver, gpus)

namespace {

using trainer::Nvml;

std::vector<std::int64_t> others_on(const Nvml& library, Nvml::Gpu gpu,
                                    const std::vector<std::int64_t>& own) {
  std::array<trainer::NvmlProcess, 64> processes{};
  auto count = static_cast<unsigned>(processes.size());
  if (!library.get("nvmlDeviceGetComputeRunningProcesses_v3", gpu, &count, processes.data())) return {};
  std::vector<std::int64_t> others;
  for (unsigned i = 0; i < std::min<std::size_t>(count, processes.size()); ++i) {
    if (std::ranges::find(own, processes[i].pid) == own.end()) others.push_back(processes[i].pid);
  }
  return others;
}

GpuFacts facts_of(const Nvml& library, Nvml::Gpu gpu, const std::vector<std::int64_t>& own) {
  constexpr int kUncorrected = 1, kSinceLoaded = 0;  // nvmlMemoryErrorType_t, nvmlEccCounterType_t
  GpuFacts facts{library.text("nvmlDeviceGetName", gpu),
                 library.text("nvmlDeviceGetUUID", gpu),
                 {},
                 {},
                 {},
                 {},
                 {},
                 others_on(library, gpu, own)};
  int mode = 0, current = 0, pending = 0;
  unsigned long long errors = 0;
  trainer::NvmlMemory memory;
  if (library.get("nvmlDeviceGetComputeMode", gpu, &mode)) facts.compute_mode = mode;
  if (library.get("nvmlDeviceGetEccMode", gpu, &current, &pending)) facts.corrects_errors = current != 0;
  if (library.get("nvmlDeviceGetTotalEccErrors", gpu, kUncorrected, kSinceLoaded, &errors))
    facts.uncorrected = errors;
  if (library.get("nvmlDeviceGetMemoryInfo", gpu, &memory)) {
    facts.used_bytes = memory.used;
    facts.bytes = memory.total;
  }
  return facts;
}

}  // namespace

GpusOfRank gpus_here(const std::vector<std::int64_t>& own_processes) {
  const Nvml library;
  GpusOfRank found{"", library.answers(), library.answers() ? library.driver() : ""};
  for (Nvml::Gpu gpu : library.gpus()) found.gpus.push_back(facts_of(library, gpu, own_processes));
  return found;
}

std::vector<GpusOfRank> gather_gpus(sharding::Communicator& ranks, const std::string& host) {
  const std::vector<std::int64_t> own = gather_facts<std::int64_t>(ranks, ::getpid());
  GpusOfRank here = gpus_here(own);
  here.host = host;
  return gather_facts(ranks, here);
}

}  // namespace vitrail::launcher
