#include "launcher/doctor/examine.hpp"

#include <algorithm>

#include "launcher/doctor/checks/data.hpp"
#include "launcher/doctor/checks/gpus.hpp"
#include "launcher/doctor/checks/links.hpp"
#include "launcher/doctor/checks/machine.hpp"
#include "launcher/doctor/checks/run.hpp"
#include "launcher/doctor/checks/slurm.hpp"
#include "launcher/doctor/checks/storage.hpp"
#include "launcher/doctor/expected.hpp"
#include "sharding/agreement/nodes.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "sharding/device/host_device.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/checkpoint/checkpoint_size.hpp"
#ifdef VITRAIL_TORCH
#include "trainer/device/compute_device.hpp"
#endif

namespace vitrail::launcher {
namespace {

constexpr double kBenchSeconds = 1;  // of each of the two measurements of data

void append(Findings& findings, const Findings& more) {
  findings.insert(findings.end(), more.begin(), more.end());
}

std::optional<CheckpointNeed> need_of(const Question& question, const RunFacts& run,
                                      const std::vector<DataFacts>& data) {
  if (!question.run.settings) return std::nullopt;
  const std::int64_t samples = data.empty() ? 0 : data.front().images;
  return CheckpointNeed{trainer::checkpoint_bytes(question.config, samples),
                        trainer::most_checkpoints(question.config), run.checkpoint_bytes};
}

std::optional<double> seconds_between_checkpoints(const Question& question) {
  const Duration& every = question.config.checkpoint.every;
  if (!question.run.settings || every.unit != Duration::Unit::seconds || every.count == 0)
    return std::nullopt;
  return static_cast<double>(every.count);
}

JobTimes times_of(const Question& question, const std::optional<double>& save_s) {
  return {question.time_limit_s, question.signal_lead_s, question.config.run.stop_before.count,
          seconds_between_checkpoints(question), save_s};
}

// Seconds that a checkpoint takes to write, where the room's figures have it.
std::optional<double> save_seconds(const Findings& findings) {
  for (const Finding& finding : findings) {
    const auto found = finding.numbers.find("checkpoint_s");
    if (found != finding.numbers.end()) return found->second;
  }
  return std::nullopt;
}

struct Measured {
  LinkFacts links;
  std::string device;  // "CPU (AVX2), 2 ranks on 1 node, exchange over MPI"
};

Measured measure_hosts(sharding::Communicator& ranks) {
  sharding::HostDevice host;
  return {measure_links(ranks, host, sharding::gather_topology(ranks)), "the hosts' memory, over MPI"};
}

// Through what a run would use. `gpus_are_fine`: else the hosts' memory is measured.
#ifdef VITRAIL_TORCH
Measured measure(sharding::Communicator& ranks, const Environment& environment, const Question& question,
                 bool gpus_are_fine) {
  if (!gpus_are_fine) return measure_hosts(ranks);
  trainer::ComputeDevice device(question.config, ranks, environment.gpus);
  const auto carrier = device.communicator(question.config.sharding, ranks);
  const std::string text = device.describe(ranks);
  return {measure_links(carrier ? *carrier : ranks, device.memory(), sharding::gather_topology(ranks)),
          text.substr(text.find(' ') + 1)};
}
#else
Measured measure(sharding::Communicator& ranks, const Environment&, const Question&, bool) {
  return measure_hosts(ranks);
}
#endif

Findings look_at_machines(const Machines& machines, const Environment& environment, const Question& question,
                          const std::vector<DataFacts>& data) {
  std::uint64_t shards = 0;
  for (const DataFacts& facts : data) shards += facts.shards.value_or(0);
  std::optional<RankThreads> threads;
  if (question.run.settings || question.run.data)
    threads = RankThreads{question.config.run.threads, question.config.data.workers};
  return {check_tasks(machines, environment),  check_programs(machines),      check_instructions(machines),
          check_processors(machines, threads), check_shared_memory(machines), check_locked_memory(machines),
          check_open_files(machines, shards),  check_locale(machines),        check_clocks(machines)};
}

std::vector<DataFacts> look_at_data_of(sharding::Communicator& ranks, const Environment& environment,
                                       const Question& question, double seconds) {
  const bool of_run = question.run.settings;
  std::vector<DataFacts> facts = {
      look_at_data(ranks, environment.host, question.config, trainer::DataUse::training, of_run, seconds)};
  if (question.config.data.val.empty()) return facts;
  facts.push_back(
      look_at_data(ranks, environment.host, question.config, trainer::DataUse::evaluation, of_run, 0));
  if (question.config.evaluation.known.empty()) return facts;
  trainer::Config of_known = question.config;
  of_known.data.val = question.config.evaluation.known;
  of_known.data.coarse.clear();
  facts.push_back(look_at_data(ranks, environment.host, of_known, trainer::DataUse::evaluation, of_run, 0,
                               "evaluate.known"));
  return facts;
}

Findings check_all_data(const std::vector<DataFacts>& data, const Question& question,
                        const std::optional<double>& wanted) {
  const trainer::Config& config = question.config;
  std::optional<std::int64_t> classes;
  if (question.run.settings && config.task.name == trainer::TaskName::classification)
    classes = config.model.classes;
  Findings findings;
  for (const DataFacts& facts : data) append(findings, check_data(facts, classes, wanted));
  return findings;
}

Findings look_at_folder(sharding::Communicator& ranks, const Environment& environment,
                        const Question& question, const RunFacts& run, const std::vector<DataFacts>& data) {
  const auto need = need_of(question, run, data);
  return check_storage(try_storage(ranks, environment.host, run.folder, need), need,
                       seconds_between_checkpoints(question));
}

struct Place {
  std::string gpu;  // as CUDA calls it; empty: none
  Placed ranks;
};

// Of settings that are refused nothing else can be told.
Question sound(const Question& question, const Finding& settings) {
  Question told = question;
  if (settings.verdict == Verdict::failed) told.run.settings = false;
  return told;
}

std::optional<double> wanted_images(const Question& question, const Place& place) {
  if (!question.run.settings) return std::nullopt;
  return expected_images_per_s(question.config, question.gpu, place.gpu, place.ranks);
}

Findings look_at_links(const Measured& measured, const Machines& machines, const Question& question,
                       const std::string& gpu) {
  Findings findings = {{"network", "device", Verdict::ok, measured.device}};
  append(findings,
         check_links(measured.links, hosts_of(machines),
                     expected_links(question.gpu, gpu, question.node_gb_per_s, question.network_gb_per_s),
                     std::ranges::any_of(machines, &MachineFacts::infiniband)));
  return findings;
}

std::vector<std::string> once(std::vector<std::string> hosts) {
  std::ranges::sort(hosts);
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  return hosts;
}

}  // namespace

AskedRun asked_run(const trainer::Config& config, bool settings_given) {
  AskedRun asked;
  asked.data = settings_given && !config.data.train.empty();
  asked.settings = asked.data && (config.run.steps > 0 || config.run.epochs > 0);
  asked.folder = settings_given &&
                 (asked.settings || !config.run.dir.empty() || config.run.name != trainer::RunConfig().name);
  return asked;
}

Examination examine(sharding::Communicator& ranks, const Environment& environment, const Question& question) {
  const Machines machines = gather_machines(ranks, environment);
  const std::vector<std::string> hosts = hosts_of(machines), nodes = once(hosts);
  const std::vector<GpusOfRank> gpus = gather_gpus(ranks, environment.host);
  const trainer::Config& config = question.config;
  const Findings of_gpus =
      config.run.device == trainer::Device::cpu
          ? Findings{{"GPUs", "devices", Verdict::ok, "run.device = cpu: none is used"}}
          : check_gpus(gpus, environment.gpus, config.run.device == trainer::Device::cuda,
                       sharding::built_with_cuda());
  const Place place{
      gpus.front().gpus.empty() ? "" : gpus.front().gpus.front().name,
      {ranks.size(), static_cast<std::int64_t>((hosts.size() + nodes.size() - 1) / nodes.size())}};
  const Finding settings = question.run.settings ? check_settings(config, ranks.size()) : Finding();
  const Question told = sound(question, settings);

  const Measured measured = measure(ranks, environment, told, worst_of(of_gpus) != Verdict::failed);
  const RunFacts run = look_at_run(config);
  std::vector<DataFacts> data;
  if (told.run.data) data = look_at_data_of(ranks, environment, told, kBenchSeconds);
  Findings of_folder;
  if (told.run.folder) of_folder = look_at_folder(ranks, environment, told, run, data);
  Examination done{{"vitrail doctor", ranks.size(), nodes, {}}, {}};
  if (ranks.rank() != 0) return done;

  Findings& findings = done.examined.findings;
  append(findings, look_at_machines(machines, environment, told, data));
  append(findings, of_gpus);
  if (ranks.size() > 1) {
    append(findings, look_at_links(measured, machines, told, place.gpu));
    done.links = medians_of(measured.links, hosts);
    done.links.device = measured.device;
    done.links.date = utc_time();
  }
  if (question.run.settings) {
    findings.push_back(settings);
    append(findings, check_run(run));
  }
  append(findings, check_all_data(data, told, wanted_images(told, place)));
  append(findings, of_folder);
  append(findings, check_slurm(ask_slurm(environment.slurm), times_of(told, save_seconds(of_folder))));
  return done;
}

Examined examine_before_start(const Environment& environment, const Question& question) {
  sharding::LocalCommunicator alone;
  const RunFacts run = look_at_run(question.config);
  const Finding settings = check_settings(question.config, question.ranks);
  const Question told = sound(question, settings);
  Examined examined{"vitrail launch --check", question.ranks.value_or(1), {environment.host}, {settings}};
  Findings& findings = examined.findings;
  append(findings, check_run(run));
  const std::vector<DataFacts> data = look_at_data_of(alone, environment, told, 0);
  append(findings, check_all_data(data, told, {}));
  const Findings of_folder = look_at_folder(alone, environment, told, run, data);
  append(findings, of_folder);
  append(findings, check_slurm(ask_slurm(environment.slurm), times_of(told, save_seconds(of_folder))));
  return examined;
}

}  // namespace vitrail::launcher
