// What a run will need and how long it will take on a cluster that may be nowhere near: a pure function of
// the settings, the devices, and what is assumed of both. Units: bytes, seconds; GB = 10^9 bytes.
// Throws: Error(refused) for more ranks than lanes and for stages and sums that ranks cannot share so.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/plan/hardware.hpp"
#include "launcher/plan/measured_links.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

struct PlanInput {
  trainer::Config config;
  Hardware gpu;
  MeasuredLinks links = {};  // what of them is known is what is reached, whatever gpu says
  std::int64_t ranks = 1;
  std::int64_t ranks_per_node = 8;  // of a full node
  std::int64_t steps = 0;           // of the whole run
  std::int64_t samples = 0;         // of the training set; of tasks that remember something of each
  double mfu = 0.4;                 // share of gpu.tflops that forward and backward passes reach
  double bandwidth_share = 0.8;     // of the bandwidths
  double message_s = 5e-6;          // of a call, for each other rank in it
  double reserve_gb = 3;            // of the device: context, libraries, buffers, gaps between tensors
  double core_images_per_s = 0;     // decoded and augmented
  double record_kb = 110;           // of one image on disk
  double copy_gb_per_s = 10;        // of one rank's state to its host
  double write_gb_per_s = 2;        // of all ranks to the file system
  double failure_gpu_hours = 8100;  // of one device until it ends the run

  double node_gb_per_s() const { return links.node_gb_per_s.value_or(gpu.node_gb_per_s * bandwidth_share); }
  double network_gb_per_s() const {
    return links.network_gb_per_s.value_or(gpu.network_gb_per_s * bandwidth_share);
  }
  std::int64_t lane_images() const { return config.data.global_batch_size / config.run.lanes; }
  std::int64_t images_at_once() const { return config.data.global_batch_size / config.lane_groups(); }
};

struct PlannedMemory {                                         // of the rank that needs most
  double weights = 0, state = 0, gradients = 0, exchange = 0;  // sharding/plan/memory_plan.hpp
  double activations = 0;  // of a lane's largest batch: mean and six standard deviations of kept rows
  double teacher = 0;
  double samples = 0;  // what is remembered of them
  double reserve = 0;
  int full_sums = 0;  // whole gradients among `gradients`

  double total() const {
    return weights + state + gradients + exchange + activations + teacher + samples + reserve;
  }
};

struct PlannedTraffic {  // that the busiest rank sends in a step
  double gradients = 0, weights = 0;
};

struct PlannedStep {     // seconds, of a rank with the most lanes
  double compute = 0;    // forward and backward, mean rows
  double lane_sums = 0;  // adding its lanes' gradients
  double gradients = 0;  // exchanged after backward has ended
  double norms = 0;      // small sums over all ranks
  double update = 0;
  double weights = 0;     // that forward waits for
  double stragglers = 0;  // waiting for the rank whose lanes kept most rows
  double data = 0;        // that decoding takes longer than all this

  double exposed() const { return gradients + norms + weights + stragglers; }
  double total() const { return compute + lane_sums + update + exposed() + data; }
  double exposed_share() const { return exposed() / total(); }
};

struct PlannedCheckpoint {
  double bytes = 0;
  double copy_s = 0;                             // the stall where it is written beside the run
  double write_s = 0;                            // the stall where the run waits for it
  double failure_s = 0;                          // mean time between failures of the whole run
  double best_beside_s = 0, best_waiting_s = 0;  // best intervals of the two
};

struct ClusterPlan {
  PlannedMemory memory;
  PlannedTraffic traffic;
  PlannedStep step;
  PlannedCheckpoint checkpoint;
  std::string exchange;                             // sharding.exchange that is taken
  double hidden_gradients = 0, hidden_weights = 0;  // seconds of exchanges under computation
  double images_per_s = 0;
  double hours = 0;          // of all steps; evaluation, checkpoints and failures come on top
  double cores = 0;          // of a rank, that decode
  double read_mb_per_s = 0;  // of all ranks
  double macs = 0;           // of one image in training, forward

  double gpu_hours(const PlanInput& in) const { return hours * static_cast<double>(in.ranks); }
};

ClusterPlan plan_cluster(const PlanInput& in);
PlannedMemory plan_memory(const PlanInput& in);
bool fits(const PlanInput& in, const PlannedMemory& memory);
bool fits(const PlanInput& in);  // computes its memory only

// What takes most of a step; decoding where all else waits for it.
std::string limit_of(const PlannedStep& step);

}  // namespace vitrail::launcher
