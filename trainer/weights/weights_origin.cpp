#include "trainer/weights/weights_origin.hpp"

#include <span>
#include <vector>

#include <fmt/format.h>

#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/checkpoint/finished_run.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

// As a checkpoint's hash goes over its parameters: by name, as doubles where any tensor is of doubles.
std::string hash_of(const SafetensorsReader& file) {
  bool wide = false;
  for (const auto& [name, tensor] : file.tensors()) wide = wide || tensor.type == DataType::f64;
  Hasher hasher;
  for (const auto& [name, tensor] : file.tensors()) {
    const bool counts = tensor.type == DataType::f16 || tensor.type == DataType::bf16 ||
                        tensor.type == DataType::f32 || tensor.type == DataType::f64;
    if (!counts) continue;  // batches that a norm has seen
    if (wide) {
      const std::vector<double> values = file.read_as_double(name);
      hasher.update(std::as_bytes(std::span(values)));
    } else {
      const std::vector<float> values = file.read_as_float(name);
      hasher.update(std::as_bytes(std::span(values)));
    }
  }
  return hasher.digest().hex();
}

}  // namespace

std::string unfinished_note(const fs::path& checkpoint) {
  const auto progress = progress_of(checkpoint);
  if (!progress || progress->planned == 0 || progress->step >= progress->planned) return "";
  // An earlier checkpoint of a run that came to its end is a choice.
  const auto finished = read_finished({fs::canonical(checkpoint).parent_path().parent_path()});
  if (finished && finished->step >= progress->step) return "";
  return fmt::format("{}: unfinished: {}", checkpoint.string(), progress->text());
}

std::string resolved_checkpoint(const std::string& path) {
  if (path.empty()) return "";
  const fs::path found = find_checkpoint(path);
  std::error_code none;
  const fs::path target = fs::read_symlink(found, none);
  return none ? found.string() : (found.parent_path() / target).lexically_normal().string();
}

WeightsOrigin weights_origin(const Config& config, const std::string& checkpoint) {
  const std::string& weights = config.model.weights;
  const bool folder = checkpoint.empty() && fs::is_directory(weights);
  if (checkpoint.empty() && !folder)
    return {weights, WeightsUsed::raw, std::nullopt, hash_of(SafetensorsReader(weights))};
  const CheckpointReader reader(folder ? resolved_checkpoint(weights) : checkpoint);
  const WeightsUsed which = folder ? config.finetune.weights : config.evaluation.weights;
  WeightsOrigin origin{reader.folder().string(), which, std::nullopt, ""};
  origin.hash = state_hash(reader, which == WeightsUsed::ema ? StatePart::ema : StatePart::weights);
  origin.progress = progress_of(reader.folder());
  return origin;
}

std::string describe(const UsedRecord& used) {
  const WeightsOrigin& weights = used.weights;
  std::string text =
      fmt::format("weights {}{}", weights.path, weights.which == WeightsUsed::ema ? " (their average)" : "");
  if (weights.progress) text += ", " + weights.progress->text();
  text += fmt::format(", hash {}; data {} ({})", weights.hash, used.data, used.data_fingerprint);
  if (used.knn) {
    text +=
        fmt::format("; k-NN, {} neighbours among {} ({}), temperature {}, features {}", used.knn->neighbours,
                    used.knn->known, used.knn->known_fingerprint, used.knn->temperature, used.knn->features);
  }
  return text + "; " + used.date;
}

std::map<std::string, std::string> used_metadata(const UsedRecord& used) {
  std::map<std::string, std::string> metadata = {{"weights", used.weights.path},
                                                 {"weights_hash", used.weights.hash},
                                                 {"data", used.data},
                                                 {"data_fingerprint", used.data_fingerprint},
                                                 {"date", used.date}};
  if (used.weights.which == WeightsUsed::ema) metadata["ema"] = "true";
  if (!used.weights.progress) return metadata;
  metadata["step"] = std::to_string(used.weights.progress->step);
  if (used.weights.progress->planned > 0)
    metadata["planned_steps"] = std::to_string(used.weights.progress->planned);
  return metadata;
}

}  // namespace vitrail::trainer
