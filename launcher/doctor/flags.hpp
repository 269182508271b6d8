// What `doctor` can be told beside a run's settings, and `launch --doctor` passes on to it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/options/flag_table.hpp"
#include "launcher/plan/hardware.hpp"

namespace vitrail::launcher {

struct DoctorFlags {
  std::string links;
  GpuKind gpu = GpuKind::by_hand;  // the one that is found
  std::optional<double> node_gb_per_s, network_gb_per_s;
};

constexpr const char* kFoundGpu = "found";

// Of a command whose flags inherit DoctorFlags.
template <class F>
void add_doctor_flags(FlagTable<F>& flags, const std::vector<Condition>& when = {}) {
  flags.add(
      "links", &F::links,
      {.help = "file for what the links between ranks carry, which `vitrail plan --measured-links` reads",
       .placeholder = "FILE",
       .absent = "none",
       .when = when});
  auto names = gpu_names();
  names.front().second = kFoundGpu;
  flags.choice(
      "expect", &F::gpu, names,
      {.help = "device whose data sheet links and data are held against; found: the one that is here",
       .when = when});
  flags.add("node-gb-per-s", &F::node_gb_per_s,
            {.help = "what a rank's links inside a node should carry, one direction",
             .bounds = above(0),
             .unit = "GB/s",
             .absent = "80 % of the data sheet's",
             .when = when});
  flags.add("network-gb-per-s", &F::network_gb_per_s,
            {.help = "the same for links to other nodes",
             .bounds = above(0),
             .unit = "GB/s",
             .absent = "80 % of the data sheet's",
             .when = when});
}

// As a command line has them.
inline std::vector<std::string> words_of(const DoctorFlags& flags) {
  std::vector<std::string> words;
  const auto add = [&](const char* flag, const std::string& value) {
    words.insert(words.end(), {flag, value});
  };
  if (!flags.links.empty()) add("--links", flags.links);
  for (const auto& [kind, name] : gpu_names()) {
    if (kind == flags.gpu && kind != GpuKind::by_hand) add("--expect", name);
  }
  if (flags.node_gb_per_s) add("--node-gb-per-s", fmt::format("{}", *flags.node_gb_per_s));
  if (flags.network_gb_per_s) add("--network-gb-per-s", fmt::format("{}", *flags.network_gb_per_s));
  return words;
}

}  // namespace vitrail::launcher
