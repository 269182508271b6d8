#include <algorithm>
#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "datasets/loader/loader_bench.hpp"
#include "launcher/commands/run_commands.hpp"
#include "models/families/catalogue.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

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
  plan.views = {{config.augment, config.model.image_size}};
  return plan;
}

std::optional<Demand> demand_of(const CommandLine& line, const datasets::LoaderBench& bench) {
  double wanted = line.flags.images_per_s.value_or(0);
  if (!line.flags.images_per_s) {
    if (line.config.run.peak_tflops == 0) return std::nullopt;
    constexpr double kFlopsPerMac = 2, kPasses = 3;  // forward, and backward for inputs and weights
    const double macs = models::describe_model(line.config.model).macs_in_training;
    wanted = line.config.run.peak_tflops * 1e12 * line.flags.mfu / (kFlopsPerMac * kPasses * macs);
  }
  return Demand{wanted, wanted / bench.images_per_core_second(), wanted * bench.record_bytes / 1e6};
}

Json json_of(const CommandLine& line, const datasets::LoaderBench& bench,
             const std::optional<Demand>& demand) {
  const double rate = static_cast<double>(bench.images) / bench.seconds;
  Json json = {{"data", line.config.data.train},
               {"threads", line.config.data.workers},
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
  std::string text = fmt::format(
      "{}, {} px, {} thread{}: {} images in {:.1f} s\n"
      "  loader            {:10.1f} images/s, {:.1f} MB/s\n"
      "  one core          {:10.1f} images/s\n"
      "  an image          {:10.3f} ms, of it reading {:.0f} %, decoding and augmenting {:.0f} %\n"
      "  its record        {:10.1f} kB\n",
      line.config.data.train, line.config.model.image_size, line.config.data.workers,
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

}  // namespace

ExitCode run_bench(const CommandLine& line) {
  const trainer::Config& config = line.config;
  const auto dataset = datasets::open_dataset(config.data.train, {.classes = config.data.classes});
  const auto bench = datasets::bench_loader(dataset, plan_of(config, dataset->size()), line.flags.seconds);
  const auto demand = demand_of(line, bench);
  if (line.flags.format == OutputFormat::json) {
    fmt::print("{}\n", json_of(line, bench, demand).dump());
  } else {
    fmt::print("{}", text_of(line, bench, demand));
  }
  return ExitCode::done;
}

}  // namespace vitrail::launcher
