#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

constexpr const char* kOfGpu = "that of --gpu";

Condition of_one_plan() {
  return {"up-to", "no --up-to", [](const CommandLine& line) { return !line.plan.up_to; }};
}

void add_places(std::vector<Option>& table) {
  const FlagSection launch(
      table, "", {Command::plan}, [](auto& line) -> auto& { return line.launch; });
  launch.add("ranks", &LaunchConfig::ranks,
             {.help = "world size; at most run.lanes",
              .bounds = from_to(1, 65536),
              .unit = "ranks",
              .absent = "a full --nodes, else run.lanes",
              .when = {of_one_plan()},
              .letter = 'n'});
  launch.add("nodes", &LaunchConfig::nodes,
             {.help = "spread over so many nodes",
              .bounds = from_to(1, 65536),
              .unit = "nodes",
              .absent = "as few as hold the ranks",
              .when = {of_one_plan()}});
  launch.add("gpus-per-node", &LaunchConfig::gpus_per_node,
             {.help = "ranks that fit into a node", .bounds = from_to(1, 64), .unit = "GPUs", .absent = "8"});
}

template <class Reach>
void add_hardware(const FlagSection<Reach>& plan) {
  plan.choice(
      "gpu", &PlanFlags::gpu, gpu_names(),
      {.help = "data sheet of a device and of a usual node of it; the flags below and run.peak_tflops "
               "change or, by hand, give its numbers"});
  plan.add("memory-gb", &PlanFlags::memory_gb,
           {.help = "memory of a device", .bounds = above(0), .unit = "GB", .absent = kOfGpu});
  plan.add("memory-gb-per-s", &PlanFlags::memory_gb_per_s,
           {.help = "bandwidth of that memory", .bounds = above(0), .unit = "GB/s", .absent = kOfGpu});
  plan.add("node-gb-per-s", &PlanFlags::node_gb_per_s,
           {.help = "of a device to the others of its node, one direction",
            .bounds = above(0),
            .unit = "GB/s",
            .absent = kOfGpu});
  plan.add("network-gb-per-s", &PlanFlags::network_gb_per_s,
           {.help = "of a device to other nodes, one direction",
            .bounds = above(0),
            .unit = "GB/s",
            .absent = kOfGpu});
}

template <class Reach>
void add_assumptions(const FlagSection<Reach>& plan) {
  plan.add("mfu", &PlanFlags::mfu,
           {.help = "share of the peak that forward and backward passes reach",
            .bounds = above_to(0, 1),
            .absent = "0.4, CaiT 0.2"});
  plan.add("message-us", &PlanFlags::message_us,
           {.help = "time of a call for each other rank in it", .bounds = at_least(0), .unit = "us"});
  plan.add(
      "reserve-gb", &PlanFlags::reserve_gb,
      {.help = "memory of a device for contexts, libraries and gaps", .bounds = at_least(0), .unit = "GB"});
  plan.add("core-images-per-s", &PlanFlags::core_images_per_s,
           {.help = "what a core decodes and augments; `vitrail bench data` measures it",
            .bounds = above(0),
            .unit = "images/s",
            .absent = "979; 814 with colours, 552 with RandAugment"});
  plan.add("record-kb", &PlanFlags::record_kb,
           {.help = "size of an image on disk", .bounds = above(0), .unit = "kB"});
  plan.add("write-gb-per-s", &PlanFlags::write_gb_per_s,
           {.help = "of all ranks together to the file system", .bounds = above(0), .unit = "GB/s"});
  plan.add(
      "failure-gpu-hours", &PlanFlags::failure_gpu_hours,
      {.help = "hours of a device for one failure that ends a run", .bounds = above(0), .unit = "hours"});
}

}  // namespace

void add_plan_flags(std::vector<Option>& table) {
  add_places(table);
  const FlagSection plan(
      table, "", {Command::plan}, [](auto& line) -> auto& { return line.plan; });
  add_hardware(plan);
  add_assumptions(plan);
  plan.add("up-to", &PlanFlags::up_to,
           {.help = "a table with a row for 1, 2, 4, ... up to so many ranks, of the same batch",
            .bounds = from_to(1, 65536),
            .unit = "ranks",
            .absent = "one plan"});
  plan.add("measured", &PlanFlags::measured,
           {.help = "folder of a run, or its metrics.jsonl: the plan beside what was measured",
            .placeholder = "RUN",
            .absent = "none",
            .when = {of_one_plan()}});
  const FlagSection data(
      table, "", {Command::plan}, [](auto& line) -> auto& { return line.flags; });
  data.add("images", &Flags::images,
           {.help = "size of the training set, where data.train cannot be read",
            .bounds = from_to(1, 1e12),
            .unit = "images",
            .absent = "that of data.train"});
}

}  // namespace vitrail::launcher
