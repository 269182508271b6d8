#include "launcher/doctor/checks/gpus.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitrail::launcher {
namespace {

constexpr const char* kGpus = "GPUs";
constexpr int kDefaultMode = 0, kProhibitedMode = 2;  // nvmlComputeMode_t

using Nodes = std::map<std::string, const GpusOfRank*>;  // one rank's word for its node

// "n0: GPU 2" for all for which it holds.
template <class Holds>
std::vector<std::string> gpus_where(const Nodes& nodes, Holds&& holds) {
  std::vector<std::string> found;
  for (const auto& [host, of] : nodes) {
    for (std::size_t gpu = 0; gpu < of->gpus.size(); ++gpu) {
      if (holds(of->gpus[gpu])) found.push_back(fmt::format("{}: GPU {}", host, gpu));
    }
  }
  return found;
}

Finding none_seen(const trainer::GpuPromise& promise, bool wants, bool built_with_cuda) {
  Finding finding{kGpus, "devices", Verdict::unknown, "none seen: models are computed on processors"};
  if (!wants && promise.by.empty()) return finding;
  const trainer::NoGpu reason = trainer::why_no_gpu(promise, built_with_cuda, false);
  finding.verdict = Verdict::failed;
  finding.figure = fmt::format("none seen, but {}: {}", wants ? "run.device = cuda" : promise.by, reason.why);
  finding.remedy = reason.way_out;
  return finding;
}

// The library shows all GPUs of a node, also those that a job was not given.
Finding check_devices(const std::vector<GpusOfRank>& ranks, const Nodes& nodes, bool wanted,
                      bool built_with_cuda) {
  Finding finding{kGpus, "devices"};
  std::map<std::string, std::size_t> ranks_of, kinds;
  for (const GpusOfRank& rank : ranks) ++ranks_of[rank.host];
  std::vector<std::string> shared, idle;
  for (const auto& [host, of] : nodes) {
    for (const GpuFacts& gpu : of->gpus) ++kinds[gpu.name];
    if (ranks_of[host] > of->gpus.size())
      shared.push_back(fmt::format("{} ({} ranks, {} GPUs)", host, ranks_of[host], of->gpus.size()));
    if (ranks.size() > 1 && ranks_of[host] < of->gpus.size())
      idle.push_back(fmt::format("{} ({} ranks, {} GPUs)", host, ranks_of[host], of->gpus.size()));
  }
  std::vector<std::string> words;
  for (const auto& [name, count] : kinds) words.push_back(fmt::format("{} x {}", count, name));
  finding.figure =
      fmt::format("{} on {} node{}", fmt::join(words, ", "), nodes.size(), nodes.size() == 1 ? "" : "s");
  if (!built_with_cuda) {
    finding.verdict = wanted ? Verdict::failed : Verdict::warning;
    finding.figure += ", but this program was built without CUDA";
    finding.remedy = "build the cuda preset: cmake --preset cuda && cmake --build build/cuda";
  } else if (!shared.empty()) {
    finding.verdict = Verdict::warning;
    finding.figure += fmt::format("; ranks share one on {}", some_of(shared));
    finding.remedy =
        "start one rank for each GPU (--ntasks-per-node = --gpus-per-node): ranks that share one exchange "
        "over MPI";
  } else if (kinds.size() > 1) {
    finding.verdict = Verdict::warning;
    finding.figure += "; all ranks wait for the slowest kind";
    finding.remedy = "ask for one kind (--constraint)";
  } else if (!idle.empty()) {
    finding.figure += fmt::format("; more than ranks on {}", some_of(idle));
  }
  return finding;
}

Finding check_driver(const Nodes& nodes) {
  Finding finding{kGpus, "driver"};
  std::map<std::string, std::vector<std::string>> hosts;
  for (const auto& [host, of] : nodes) hosts[of->driver].push_back(host);
  std::vector<std::string> words;
  for (const auto& [driver, of] : hosts)
    words.push_back(hosts.size() == 1 ? driver : fmt::format("{} on {}", driver, some_of(of)));
  finding.figure = fmt::format("{}", fmt::join(words, "; "));
  if (hosts.size() > 1) {
    finding.verdict = Verdict::warning;
    finding.remedy =
        "nodes of one job should have one driver: tell the site, or leave the odd ones out (--exclude)";
  }
  return finding;
}

Finding check_compute_mode(const Nodes& nodes) {
  Finding finding{kGpus, "compute mode", Verdict::ok, "default"};
  const auto prohibited =
      gpus_where(nodes, [](const GpuFacts& gpu) { return gpu.compute_mode == kProhibitedMode; });
  const auto exclusive = gpus_where(nodes, [](const GpuFacts& gpu) {
    return gpu.compute_mode && *gpu.compute_mode != kDefaultMode && *gpu.compute_mode != kProhibitedMode;
  });
  if (!prohibited.empty()) {
    finding = {kGpus, "compute mode", Verdict::failed, fmt::format("prohibited: {}", some_of(prohibited)),
               "nvidia-smi -c DEFAULT (as root), or leave that node out (--exclude)"};
  } else if (!exclusive.empty()) {
    finding.figure = fmt::format("exclusive: {}; one rank each, nobody else", some_of(exclusive));
  }
  return finding;
}

Finding check_memory_errors(const Nodes& nodes) {
  Finding finding{kGpus, "ECC", Verdict::ok, "on, no uncorrected error"};
  const auto broken = gpus_where(nodes, [](const GpuFacts& gpu) { return gpu.uncorrected.value_or(0) > 0; });
  const auto off = gpus_where(nodes, [](const GpuFacts& gpu) { return gpu.corrects_errors == false; });
  const auto silent = gpus_where(nodes, [](const GpuFacts& gpu) { return !gpu.corrects_errors; });
  if (!broken.empty()) {
    return {kGpus, "ECC", Verdict::failed, fmt::format("uncorrected errors: {}", some_of(broken)),
            "leave that node out (--exclude) and tell the site: its results are not to be trusted"};
  }
  if (!off.empty()) {
    return {kGpus, "ECC", Verdict::warning, fmt::format("off: {}", some_of(off)),
            "a flipped bit goes into the weights unseen: nvidia-smi -e 1 (as root), then reset the GPU"};
  }
  if (!silent.empty()) return {kGpus, "ECC", Verdict::unknown, fmt::format("not told: {}", some_of(silent))};
  return finding;
}

Finding check_others(const Nodes& nodes) {
  Finding finding{kGpus, "shared with", Verdict::ok, "nobody"};
  std::vector<std::string> words;
  for (const auto& [host, of] : nodes) {
    for (std::size_t gpu = 0; gpu < of->gpus.size(); ++gpu) {
      const auto& others = of->gpus[gpu].others;
      if (!others.empty())
        words.push_back(fmt::format("{}: GPU {} with process {}", host, gpu, fmt::join(others, ", ")));
    }
  }
  if (words.empty()) return finding;
  return {
      kGpus, "shared with", Verdict::warning, some_of(words),
      "whoever it is takes memory and time from the run: end it (an earlier job's?), or leave that node out"};
}

}  // namespace

Findings check_gpus(const std::vector<GpusOfRank>& ranks, const trainer::GpuPromise& promise, bool wants,
                    bool built_with_cuda) {
  Nodes nodes;
  std::vector<std::string> without;
  for (const GpusOfRank& rank : ranks) {
    nodes.emplace(rank.host, &rank);
    if (rank.gpus.empty()) without.push_back(rank.host);
  }
  if (without.size() == ranks.size()) return {none_seen(promise, wants, built_with_cuda)};
  if (!without.empty()) {
    return {{kGpus, "devices", Verdict::failed,
             fmt::format("none seen on {}, but on other nodes", some_of(without)),
             "nvidia-smi there says why; ask for GPUs on every node (--gpus-per-node)"}};
  }
  return {check_devices(ranks, nodes, wants || !promise.by.empty(), built_with_cuda), check_driver(nodes),
          check_compute_mode(nodes), check_memory_errors(nodes), check_others(nodes)};
}

}  // namespace vitrail::launcher
