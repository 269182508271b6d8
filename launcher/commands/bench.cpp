#include <algorithm>
#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "datasets/loader/loader_bench.hpp"
#include "launcher/options/flag_table.hpp"
#include "trainer/settings/sample_cost.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/tasks/task_views.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

struct BenchFlags {
  double seconds = 3;
  std::optional<double> images_per_s;  // of one device; absent: by mfu, or not told
  double mfu = 0.4;                    // share of run.peak_tflops
  OutputFormat format = OutputFormat::text;
};

std::vector<Option> bench_options() {
  FlagTable<BenchFlags> flags;
  flags.alias(
      "data", "data.train",
      {.help = "images to make batches of; short for data.train", .placeholder = "SOURCE", .required = true});
  flags.add(
      "seconds", &BenchFlags::seconds,
      {.help = "length of each of the two measurements", .bounds = above_to(0, 3600), .unit = "seconds"});
  flags.add("images-per-s", &BenchFlags::images_per_s,
            {.help = "what one device trains of model.name",
             .bounds = above_to(0, 1e9),
             .unit = "images/s",
             .absent = "mfu of run.peak_tflops, where that is given"});
  flags.add("mfu", &BenchFlags::mfu,
            {.help = "share of run.peak_tflops that training reaches",
             .bounds = above_to(0, 1),
             .when = {{"run.peak_tflops", "a run.peak_tflops above 0",
                       [](const CommandLine& line) { return line.config.run.peak_tflops > 0; }}}});
  flags.config_files();
  flags.format(&BenchFlags::format);
  return flags.done();
}

void check_subject(CommandLine& line) {
  const std::string& subject = line.arguments.front();
  if (subject != "data")
    throw Error(ExitCode::usage, fmt::format("command line: bench {}: expected data", subject));
}

constexpr std::int64_t kBatch = 64;  // of the one lane that is measured

// What one device wants, and what this machine's cores give it.
struct Demand {
  double images_per_s, cores, read_mb_per_s;
};

datasets::TrainLoaderOptions plan_of(const trainer::Config& config, std::int64_t images) {
  datasets::TrainLoaderOptions plan;
  plan.lanes.seed = config.run.seed;
  plan.data = config.data;
  plan.data.repeated_augmentation = 1;
  plan.data.global_batch_size = std::min(kBatch, std::max<std::int64_t>(images / 2 * 2, 1));
  plan.views = trainer::task_views(config);
  return plan;
}

std::optional<Demand> demand_of(const CommandLine& line, const datasets::LoaderBench& bench) {
  const auto& flags = line.own<BenchFlags>();
  double wanted = flags.images_per_s.value_or(0);
  if (!flags.images_per_s) {
    if (line.config.run.peak_tflops == 0) return std::nullopt;
    constexpr double kFlopsPerMac = 2, kPasses = 3;  // forward, and backward for inputs and weights
    const trainer::SampleCost cost = trainer::sample_cost(line.config, trainer::network_of(line.config));
    const double macs = kPasses * cost.student + cost.teacher;
    wanted = line.config.run.peak_tflops * 1e12 * flags.mfu / (kFlopsPerMac * macs);
  }
  return Demand{wanted, wanted / bench.images_per_core_second(), wanted * bench.record_bytes / 1e6};
}

Json measured_json(const CommandLine& line, const datasets::LoaderBench& bench,
                   const std::optional<Demand>& demand) {
  const double rate = static_cast<double>(bench.images) / bench.seconds;
  Json json = {{"data", line.config.data.train},
               {"threads", line.config.data.workers},
               {"views", trainer::task_views(line.config).size()},
               {"images", bench.images},
               {"images_per_s", rate},
               {"images_per_s_per_core", bench.images_per_core_second()},
               {"read_mb_per_s", rate * bench.record_bytes / 1e6},
               {"record_bytes", bench.record_bytes},
               {"read_share", bench.read_share()},
               {"transform_share", 1 - bench.read_share()}};
  if (demand) {
    json["model"] = line.config.model.name;
    json["device"] = {{"images_per_s", demand->images_per_s},
                      {"cores", demand->cores},
                      {"read_mb_per_s", demand->read_mb_per_s}};
  }
  return json;
}

std::string text_of(const CommandLine& line, const datasets::LoaderBench& bench,
                    const std::optional<Demand>& demand) {
  const double rate = static_cast<double>(bench.images) / bench.seconds;
  const std::size_t views = trainer::task_views(line.config).size();
  std::string text = fmt::format(
      "{}, {} px, {}{} thread{}: {} images in {:.1f} s\n"
      "  loader            {:10.1f} images/s, {:.1f} MB/s\n"
      "  one core          {:10.1f} images/s\n"
      "  an image          {:10.3f} ms, of it reading {:.0f} %, decoding and augmenting {:.0f} %\n"
      "  its record        {:10.1f} kB\n",
      line.config.data.train, line.config.model.image_size,
      views == 1 ? "" : fmt::format("{} views of each, ", views), line.config.data.workers,
      line.config.data.workers == 1 ? "" : "s", bench.images, bench.seconds, rate,
      rate * bench.record_bytes / 1e6, bench.images_per_core_second(), 1e3 / bench.images_per_core_second(),
      100 * bench.read_share(), 100 * (1 - bench.read_share()), bench.record_bytes / 1e3);
  if (!demand) return text;
  return text +
         fmt::format(
             "{} on one device: {:.0f} images/s want {:.1f} of such cores (data.workers = {:.0f} a rank) and "
             "{:.0f} MB/s of reading\n",
             line.config.model.name, demand->images_per_s, demand->cores, std::ceil(demand->cores),
             demand->read_mb_per_s);
}

ExitCode run_bench(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<BenchFlags>();
  const trainer::Config& config = line.config;
  const auto dataset = datasets::open_dataset(config.data.train, datasets::training_data(config.data));
  const auto bench = datasets::bench_loader(dataset, plan_of(config, dataset->size()), flags.seconds);
  const auto demand = demand_of(line, bench);
  if (flags.format == OutputFormat::json) {
    fmt::print("{}\n", measured_json(line, bench, demand).dump());
  } else {
    fmt::print("{}", text_of(line, bench, demand));
  }
  return ExitCode::done;
}

}  // namespace

Command bench_command() {
  return {.name = "bench",
          .usage = "data --data SOURCE [--config FILE ...] [--section.key VALUE ...]",
          .summary = "how fast this machine makes batches, and how many cores a device would need",
          .example = "vitrail bench data --data packs/photos --model.name vit_b16 --images-per-s 1200",
          .least_arguments = 1,
          .most_arguments = 1,
          .uses = these_settings({"run.seed",
                                  "run.peak_tflops",
                                  "data.train",
                                  "data.classes",
                                  "data.labels",
                                  "data.subset",
                                  "data.subset_balanced",
                                  "data.subset_seed",
                                  "data.order",
                                  "data.extent_images",
                                  "data.window_extents",
                                  "data.workers",
                                  "data.prefetch_steps",
                                  "data.mean",
                                  "data.std",
                                  "augment.",
                                  "model.name",
                                  "model.image_size",
                                  "model.classes",
                                  "model.patch",
                                  "model.width",
                                  "model.depth",
                                  "model.heads",
                                  "model.parallel",
                                  "model.drop_path",
                                  "model.drop_path_law",
                                  "model.activation_checkpointing",
                                  "task.name",
                                  "dino.local_views",
                                  "dino.local_size",
                                  "dino.global_min_area",
                                  "dino.local_min_area",
                                  "dino.local_max_area",
                                  "grafit.instance_weight",
                                  "grafit.views"}),
          .flags = BenchFlags(),
          .options = bench_options(),
          .take = check_subject,
          .by_many = true,
          .run = run_bench};
}

}  // namespace vitrail::launcher
