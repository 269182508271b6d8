#include "trainer/weights/import_weights.hpp"

#include <algorithm>

#include "models/families/catalogue.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/host_device.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_writer.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/weights/param_groups.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {
namespace {

DataType widest_type(const std::string& path) {
  const SafetensorsReader file(path);
  const auto is_double = [](const auto& tensor) { return tensor.second.type == DataType::f64; };
  return std::ranges::any_of(file.tensors(), is_double) ? DataType::f64 : DataType::f32;
}

}  // namespace

std::filesystem::path import_weights(const Config& config, const std::map<std::string, std::string>& settings,
                                     const std::filesystem::path& folder,
                                     const std::function<void(const std::string&)>& say) {
  if (std::error_code error;
      std::filesystem::exists(folder, error) && !std::filesystem::is_empty(folder, error)) {
    throw Error(ExitCode::refused, fmt::format("{}: there is something already", folder.string()),
                "give --output a new or an empty folder");
  }
  if (std::filesystem::is_directory(config.model.weights)) {
    throw Error(
        ExitCode::refused,
        fmt::format("model.weights = {}: a folder, and no safetensors file to import", config.model.weights),
        "a checkpoint is taken as it is wherever weights are asked for");
  }
  const auto parameters = models::parameters_of(config.model);
  const WeightSource source(config, "", parameters);
  source.refuse_fresh_head();
  const DataType type = widest_type(config.model.weights);
  constexpr std::int64_t kBucketElements = 1 << 23;  // nothing is exchanged: any number will do
  const sharding::BucketPlan plan = make_bucket_plan(shapes_for_plan(parameters), 1, kBucketElements);
  sharding::HostDevice host;
  sharding::LaneState state(plan, {0, 1}, type, host);
  source.fill(state);
  CheckpointManifest manifest;
  manifest.type = type;
  manifest.machine = machine_name(c10::kCPU);
  manifest.writer = "import";
  manifest.settings = settings;
  manifest.parameters = stored_parameters(parameters);
  make_directories(folder);
  sharding::LocalCommunicator alone;
  for (const std::string& words : source.log_lines()) say(words);
  return save_checkpoint(folder, {}, manifest, state, alone);
}

}  // namespace vitrail::trainer
