#include "launcher/plan/listing.hpp"

#include <cmath>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "launcher/plan/search.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t nodes_of(const PlanInput& in) { return (in.ranks + in.ranks_per_node - 1) / in.ranks_per_node; }

bool links_measured(const PlanInput& in) { return in.links.node_gb_per_s || in.links.network_gb_per_s; }

Json inputs_json(const PlanInput& in) {
  return {{"gpu", in.gpu.name},
          {"source", in.gpu.source},
          {"memory_gb", in.gpu.memory_gb},
          {"tflops", in.gpu.tflops},
          {"memory_gb_per_s", in.gpu.memory_gb_per_s},
          {"node_gb_per_s", in.links.node_gb_per_s.value_or(in.gpu.node_gb_per_s)},
          {"network_gb_per_s", in.links.network_gb_per_s.value_or(in.gpu.network_gb_per_s)},
          {"links_measured", links_measured(in)},
          {"mfu", in.mfu},
          {"bandwidth_share", in.bandwidth_share},
          {"message_us", in.message_s * 1e6},
          {"reserve_gb", in.reserve_gb},
          {"core_images_per_s", in.core_images_per_s},
          {"record_kb", in.record_kb},
          {"copy_gb_per_s", in.copy_gb_per_s},
          {"write_gb_per_s", in.write_gb_per_s},
          {"failure_gpu_hours", in.failure_gpu_hours}};
}

Json memory_json(const PlanInput& in, const PlannedMemory& m) {
  return {{"weights", m.weights},     {"state", m.state},       {"gradients", m.gradients},
          {"full_sums", m.full_sums}, {"exchange", m.exchange}, {"activations", m.activations},
          {"teacher", m.teacher},     {"samples", m.samples},   {"reserve", m.reserve},
          {"total", m.total()},       {"fits", fits(in, m)}};
}

Json step_json(const PlannedStep& s) {
  return {{"compute_s", s.compute},       {"lane_sums_s", s.lane_sums},
          {"update_s", s.update},         {"gradients_exposed_s", s.gradients},
          {"norms_s", s.norms},           {"weights_exposed_s", s.weights},
          {"stragglers_s", s.stragglers}, {"data_wait_s", s.data},
          {"total_s", s.total()},         {"exposed_share", s.exposed_share()},
          {"limit", limit_of(s)}};
}

Json checkpoint_json(const PlannedCheckpoint& c) {
  return {{"bytes", c.bytes},
          {"copy_s", c.copy_s},
          {"write_s", c.write_s},
          {"failure_s", c.failure_s},
          {"best_interval_s", {{"beside_the_run", c.best_beside_s}, {"run_waits", c.best_waiting_s}}}};
}

Json json_of(const PlanInput& in, const ClusterPlan& plan) {
  return {{"ranks", in.ranks},
          {"nodes", nodes_of(in)},
          {"lanes", in.config.run.lanes},
          {"global_batch_size", in.config.data.global_batch_size},
          {"exchange", plan.exchange},
          {"memory_bytes", memory_json(in, plan.memory)},
          {"traffic_bytes", {{"gradients", plan.traffic.gradients}, {"weights", plan.traffic.weights}}},
          {"step", step_json(plan.step)},
          {"hidden_s", {{"gradients", plan.hidden_gradients}, {"weights", plan.hidden_weights}}},
          {"images_per_s", plan.images_per_s},
          {"steps", in.steps},
          {"hours", plan.hours},
          {"gpu_hours", plan.gpu_hours(in)},
          {"checkpoint", checkpoint_json(plan.checkpoint)},
          {"read_mb_per_s", plan.read_mb_per_s},
          {"decoding_cores_per_gpu", plan.cores}};
}

std::string head_of(const PlanInput& in) {
  const trainer::Config& config = in.config;
  return fmt::format(
      "{}: {} at {} px, batch {}, {} lanes of {} images; {} rank{} on {} node{}, {}\nall figures are "
      "estimates\n\n",
      config.run.name, config.model.name, config.model.image_size, config.data.global_batch_size,
      config.run.lanes, in.lane_images(), in.ranks, in.ranks == 1 ? "" : "s", nodes_of(in),
      nodes_of(in) == 1 ? "" : "s", in.gpu.name);
}

std::string number(double value) {
  return value == 0       ? "0"
         : value >= 1000  ? fmt::format("{:.0f}", value)
         : value >= 0.001 ? fmt::format("{:.4g}", value)
                          : fmt::format("{:.2g}", value);
}

std::string line(const std::string& what, double value, const std::string& unit,
                 const std::string& remark = "") {
  return fmt::format("  {:<31} {:>9} {}{}{}\n", what, number(value), unit, remark.empty() ? "" : "  ",
                     remark);
}

std::string link_text(const std::optional<double>& measured, double told, const char* where) {
  if (measured) return fmt::format("{} GB/s {} (measured)", number(*measured), where);
  return fmt::format("{} GB/s {}", told, where);
}

std::string inputs_text(const PlanInput& in) {
  return fmt::format(
      "\nmade from\n"
      "  {} ({}): {} TFLOP/s, {} GB at {} GB/s;\n"
      "  links of a device, one direction: {}, {}; {:.0f} % of bandwidths{}, {:.3g} % of\n"
      "  the peak in forward and backward; {:.3g} us a message; {} images/s decoded by a core, {} kB an "
      "image;\n"
      "  {} GB/s to hosts, {} GB/s to the file system; {} device hours between failures\n",
      in.gpu.name, in.gpu.source.empty() ? "numbers by hand" : in.gpu.source, in.gpu.tflops, in.gpu.memory_gb,
      in.gpu.memory_gb_per_s, link_text(in.links.node_gb_per_s, in.gpu.node_gb_per_s, "in a node"),
      link_text(in.links.network_gb_per_s, in.gpu.network_gb_per_s, "out of it"), 100 * in.bandwidth_share,
      links_measured(in) ? " that are not measured" : "", 100 * in.mfu, in.message_s * 1e6,
      in.core_images_per_s, in.record_kb, in.copy_gb_per_s, in.write_gb_per_s, in.failure_gpu_hours);
}

std::string memory_text(const PlanInput& in, const PlannedMemory& m) {
  const auto gb = [](const char* what, double bytes, const std::string& remark = "") {
    return bytes == 0 ? "" : line(what, bytes / 1e9, "GB", remark);
  };
  return "memory of a rank\n" + gb("weights", m.weights) + gb("master weights, moments, EMA", m.state) +
         gb("gradients", m.gradients,
            m.full_sums == 0 ? "buckets in flight"
                             : fmt::format("{} full sum{}", m.full_sums, m.full_sums == 1 ? "" : "s")) +
         gb("exchange", m.exchange) +
         gb("activations", m.activations,
            fmt::format("a lane's largest batch, checkpointing {}",
                        in.config.model.activation_checkpointing)) +
         gb("teacher", m.teacher) + gb("samples", m.samples, "what is remembered of each") +
         gb("reserve", m.reserve, "context, libraries, gaps") +
         gb("all", m.total(), fmt::format("of {} GB", in.gpu.memory_gb));
}

std::string step_text(const ClusterPlan& plan) {
  const PlannedStep& s = plan.step;
  const auto ms = [](const std::string& what, double computing, double exposed, double overlapped,
                     const std::string& remark = "") {
    const auto cell = [](double seconds) { return seconds == 0 ? "" : number(1e3 * seconds); };
    return fmt::format("  {:<31} {:>9} {:>9} {:>10}{}{}\n", what, cell(computing), cell(exposed),
                       cell(overlapped), remark.empty() ? "" : "  ", remark);
  };
  const auto sent = [](double bytes) { return bytes == 0 ? "" : number(bytes / 1e6) + " MB a rank"; };
  std::string text =
      fmt::format("a step, ms {:>30} {:>9} {:>10}\n", "busy", "exposed", "overlapped") +
      ms("forward and backward", s.compute, 0, 0, fmt::format("{:.4g} GMAC an image", plan.macs / 1e9)) +
      ms("gradient accumulation", s.lane_sums, 0, 0) + ms("update", s.update, 0, 0) +
      ms(fmt::format("gradients, {}", plan.exchange), 0, s.gradients, plan.hidden_gradients,
         sent(plan.traffic.gradients)) +
      ms("weights back", 0, s.weights, plan.hidden_weights, sent(plan.traffic.weights)) +
      ms("norms", 0, s.norms, 0) + ms("waiting for the slowest rank", 0, s.stragglers, 0, "kept rows vary") +
      ms("waiting for data", 0, s.data, 0);
  const double busy = s.compute + s.lane_sums + s.update;
  return text +
         ms("all", busy, s.total() - busy, plan.hidden_gradients + plan.hidden_weights,
            fmt::format("{} ms a step", number(1e3 * s.total()))) +
         fmt::format("  {:.3g} % exposed communication; limit: {}\n", 100 * s.exposed_share(), limit_of(s));
}

std::string remedies_text(const PlanInput& in, const ClusterPlan& now) {
  std::string text;
  for (const Remedy& remedy : best_remedies(in, now)) {
    text += fmt::format("  {:<63} {:>7} h {:>8} device hours\n", remedy.change, number(remedy.hours),
                        number(remedy.gpu_hours));
  }
  return text.empty() ? "" : "cheaper\n" + text;
}

std::string run_text(const PlanInput& in, const ClusterPlan& plan) {
  const PlannedCheckpoint& c = plan.checkpoint;
  return "the run\n" + line("images", plan.images_per_s, "images/s") +
         line("time", plan.hours, "h", fmt::format("{} steps; evaluation and checkpoints on top", in.steps)) +
         line("device hours", plan.gpu_hours(in), "h") + remedies_text(in, plan) + "data\n" +
         line("cores that decode, for a rank", plan.cores, "cores",
              fmt::format("data.workers = {}", in.config.data.workers)) +
         line("reading, all ranks", plan.read_mb_per_s, "MB/s") + "checkpoints\n" +
         line("size", c.bytes / 1e9, "GB") + line("between failures", c.failure_s / 3600, "h") +
         line("stall, written beside the run", c.copy_s, "s") +
         line("  best interval", c.best_beside_s / 60, "min", "sqrt(2 C M), at least a write") +
         line("stall, if the run waited for it", c.write_s, "s") +
         line("  best interval", c.best_waiting_s / 60, "min", "sqrt(2 C M)");
}

std::string scaling_text(const PlanInput& in) {
  std::string text =
      "most ranks with at most 5 % exposed communication; lanes as large, or smaller where ranks "
      "are more\n";
  for (const std::int64_t batch : kNamedBatches)
    text += line(fmt::format("batch {}", batch), static_cast<double>(most_ranks(in, batch, kAcceptedShare)),
                 "ranks");
  return text;
}

std::string measured_text(const PlanInput& in, const ClusterPlan& plan, const MeasuredRun& run) {
  std::string text =
      fmt::format("beside a run, medians of {} steps of rank 0\n  {:<30} {:>10} {:>10} {:>8}\n", run.steps,
                  "", "planned", "measured", "error %");
  for (const Comparison& c : compare(plan, run))
    text += fmt::format("  {:<30} {:>10.4g} {:>10.4g} {:>8.1f}\n", c.what + ", " + c.unit, c.planned,
                        c.measured, c.error_percent());
  const double mfu = fitting_mfu(in, plan, run);
  if (mfu > 0) text += fmt::format("  --mfu {:.3g} would give the measured step\n", mfu);
  return text;
}

Json measured_json(const PlanInput& in, const ClusterPlan& plan, const MeasuredRun& run) {
  Json rows = Json::array();
  for (const Comparison& c : compare(plan, run)) {
    rows.push_back({{"what", c.what},
                    {"unit", c.unit},
                    {"planned", c.planned},
                    {"measured", c.measured},
                    {"error_percent", c.error_percent()}});
  }
  return {{"steps", run.steps}, {"figures", rows}, {"fitting_mfu", fitting_mfu(in, plan, run)}};
}

}  // namespace

std::string plan_text(const PlanInput& in, const std::optional<MeasuredRun>& run) {
  const ClusterPlan plan = plan_cluster(in);
  return head_of(in) + memory_text(in, plan.memory) + step_text(plan) + run_text(in, plan) +
         scaling_text(in) + (run ? measured_text(in, plan, *run) : "") + inputs_text(in);
}

std::string plan_json(const PlanInput& in, const std::optional<MeasuredRun>& run) {
  Json json = {{"run", in.config.run.name},
               {"model", in.config.model.name},
               {"estimate", true},
               {"inputs", inputs_json(in)}};
  const ClusterPlan plan = plan_cluster(in);
  json.update(json_of(in, plan));
  for (const std::int64_t batch : kNamedBatches)
    json["most_ranks_at_5_percent"][fmt::to_string(batch)] = most_ranks(in, batch, kAcceptedShare);
  json["remedies"] = Json::array();
  for (const Remedy& remedy : best_remedies(in, plan)) {
    json["remedies"].push_back({{"change", remedy.change},
                                {"hours", remedy.hours},
                                {"gpu_hours", remedy.gpu_hours},
                                {"exposed_share", remedy.exposed_share}});
  }
  if (run) json["measured"] = measured_json(in, plan, *run);
  return json.dump() + "\n";
}

std::string plans_text(const PlanInput& in, std::int64_t most) {
  const trainer::Config& config = in.config;
  std::string text = fmt::format(
      "{}: {} at {} px, batch {}, {} steps; {}, mfu {}; all figures are estimates\n\n"
      "| ranks | lanes | GB a rank | s a step | exposed % | images/s | hours | device hours | limit |\n"
      "|---|---|---|---|---|---|---|---|---|\n",
      config.run.name, config.model.name, config.model.image_size, config.data.global_batch_size, in.steps,
      in.gpu.name, in.mfu);
  for (const PlanInput& row : at_powers_of_two(in, config.data.global_batch_size, most)) {
    const ClusterPlan plan = plan_cluster(row);
    text += fmt::format("| {} | {} | {:.1f}{} | {:.3g} | {:.1f} | {:.0f} | {:.1f} | {:.0f} | {} |\n",
                        row.ranks, row.config.run.lanes, plan.memory.total() / 1e9,
                        fits(row, plan.memory) ? "" : " (too much)", plan.step.total(),
                        100 * plan.step.exposed_share(), plan.images_per_s, plan.hours, plan.gpu_hours(row),
                        limit_of(plan.step));
  }
  return text;
}

std::string plans_json(const PlanInput& in, std::int64_t most) {
  Json rows = Json::array();
  for (const PlanInput& row : at_powers_of_two(in, in.config.data.global_batch_size, most))
    rows.push_back(json_of(row, plan_cluster(row)));
  const Json json = {{"run", in.config.run.name},
                     {"model", in.config.model.name},
                     {"estimate", true},
                     {"inputs", inputs_json(in)},
                     {"rows", rows}};
  return json.dump() + "\n";
}

}  // namespace vitrail::launcher
