#include "launcher/doctor/facts/data.hpp"

#include <algorithm>
#include <filesystem>

#include "datasets/loader/loader_bench.hpp"
#include "datasets/pack/pack_format.hpp"
#include "launcher/doctor/facts/facts_json.hpp"

namespace vitrail::launcher {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DataRate, host, images_per_s, images_per_core_s, bytes_per_s, read_share)

namespace {

constexpr std::int64_t kMeasuredBatch = 64;  // of the one lane that is measured

std::optional<std::uint64_t> shards_of(const std::filesystem::path& source) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(source / datasets::kManifestFile, none)) return std::nullopt;
  return datasets::read_manifest(source).shards.size();
}

DataRate rate_of(const std::shared_ptr<const datasets::Dataset>& dataset, const trainer::Config& config,
                 double seconds) {
  datasets::TrainLoaderOptions plan;
  plan.lanes.seed = config.run.seed;
  plan.data = config.data;
  plan.data.repeated_augmentation = 1;
  plan.data.global_batch_size = std::min(kMeasuredBatch, std::max<std::int64_t>(dataset->size() / 2 * 2, 1));
  plan.views = {{config.augment, config.model.image_size}};
  const auto bench = datasets::bench_loader(dataset, plan, seconds);
  const double rate = static_cast<double>(bench.images) / bench.seconds;
  return {"", rate, bench.images_per_core_second(), rate * bench.record_bytes, bench.read_share()};
}

}  // namespace

DataFacts look_at_data(sharding::Communicator& ranks, const std::string& host, const trainer::Config& config,
                       trainer::DataUse use, bool of_run, double seconds, const std::string& key) {
  const bool training = use == trainer::DataUse::training;
  datasets::DataConfig data = config.data;
  data.stage_dir.clear();  // nothing is copied for a look
  DataFacts facts{training ? "data.train" : key, training ? data.train : data.val};
  try {
    const auto dataset = trainer::open_together(data, use, ranks, key);
    facts.images = dataset->size();
    facts.classes = dataset->classes();
    if (of_run && training) trainer::check_training_labels(config, facts.classes);
    if (of_run && !training) trainer::check_evaluation_labels(data.val, facts.classes, key);
    facts.shards = shards_of(facts.source);
    facts.fingerprints = sharding::gather_text(ranks, dataset->fingerprint());
    if (seconds > 0) {
      DataRate own;
      sharding::agree(ranks, [&] { own = rate_of(dataset, config, seconds); });
      own.host = host;
      facts.rates = gather_facts(ranks, own);
    }
  } catch (const Error& e) {  // the same on all ranks
    facts.refused = e.what();
    facts.hint = e.hint();
    facts.may_pass = e.code() == ExitCode::io;
  }
  return facts;
}

}  // namespace vitrail::launcher
