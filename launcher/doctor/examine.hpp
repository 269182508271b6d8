// The examination as a whole: which facts are gathered for what was asked, and the verdicts on them. Rank 0
// judges. Throws: PeerFailure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launcher/doctor/listing.hpp"
#include "launcher/plan/hardware.hpp"
#include "launcher/plan/measured_links.hpp"
#include "launcher/ranks/environment.hpp"
#include "sharding/comm/communicator.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

// What of a run is given: with nothing of it, the machine is looked at.
struct AskedRun {
  bool settings = false;  // data and length: all that a run needs
  bool folder = false, data = false;
};
AskedRun asked_run(const trainer::Config& config, bool settings_given);

struct Question {
  trainer::Config config;
  AskedRun run;
  GpuKind gpu = GpuKind::by_hand;                         // by_hand: the one that is found
  std::optional<double> node_gb_per_s, network_gb_per_s;  // expected; absent: those of the GPU's data sheet
  std::optional<std::int64_t> ranks;                      // of a job that is not there yet
  std::optional<std::int64_t> time_limit_s, signal_lead_s;
};

struct Examination {
  Examined examined;
  MeasuredLinks links;  // of `ranks` > 1
};

// On all ranks of a world. Collective; what it returns counts on rank 0.
Examination examine(sharding::Communicator& ranks, const Environment& environment, const Question& question);

// What can be known of a job before it is in the queue, or before its ranks are started: no links, no rates.
Examined examine_before_start(const Environment& environment, const Question& question);

}  // namespace vitrail::launcher
