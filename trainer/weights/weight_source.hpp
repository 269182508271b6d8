// Where a model's weights come from: its own initial values, a safetensors file or a checkpoint, made to fit
// where the image size or the number of classes is another, or names are behind a wrapper's prefix. Reads by
// parameter and range, so that a rank reads only what it owns. Throws: Error(bad_data) naming the file and
// every tensor that does not fit or is not finite; Error(io).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <c10/core/Device.h>

#include "models/model.hpp"
#include "models/weights/weights.hpp"
#include "sharding/state/lane_state.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/weights/task_head.hpp"
#include "trainer/weights/weight_table.hpp"

namespace vitrail::trainer {

class WeightSource {
 public:
  // `checkpoint`: a path that find_checkpoint takes, of which config.evaluation.weights are read; empty:
  // config.model.weights, and if that is empty, too, initial values by config.run.seed. `classes`: of the
  // training set, for finetune.head = by_name.
  WeightSource(const Config& config, const std::string& checkpoint,
               const std::vector<models::ParameterSpec>& parameters, std::vector<std::string> classes = {});
  ~WeightSource();

  void fill(sharding::LaneState& lane_state) const;  // the weights of this rank's lanes
  // Elements [begin, begin + out.size()) of a parameter.
  void read(std::size_t parameter, std::int64_t begin, std::span<double> out) const;

  // How much was taken, and a table of what was changed or dropped.
  std::vector<std::string> log_lines(TableRows rows = TableRows::changed) const;
  std::string record() const;  // a table of all tensors and of the head's rows; empty: initial values
  // Error(refused) where the head begins anew: such a model has to be trained before it is worth anything.
  void refuse_fresh_head() const;

 private:
  class Stored;
  class OfFile;
  class OfCheckpoint;

  void select_rows(const Config& config);
  void read_rows(std::size_t parameter, std::int64_t begin, std::span<double> out) const;
  // Error(bad_data) naming the tensor and counting where a value is not finite.
  void read_stored(const std::string& parameter, std::int64_t begin, std::span<double> out) const;
  std::string summary() const;

  const std::vector<models::ParameterSpec>& parameters_;
  models::PositionResize position_resize_;
  std::uint64_t seed_;
  std::unique_ptr<const Stored> stored_;  // null: initial values
  std::vector<models::Fit> fit_;
  std::vector<std::string> classes_;
  std::vector<std::int64_t> head_rows_;  // stored ones, by class; of Fit::selected
  std::string note_;                     // weight_normalisation.hpp
};

// A model with the weights of a checkpoint or file, in the type of precision.compute, ready to be asked.
// Error(refused) where logits are asked for and its head would be a fresh one.
std::unique_ptr<models::Model> load_model(const Config& config, const std::string& checkpoint,
                                          c10::Device device,
                                          const std::function<void(const std::string&)>& say,
                                          Asked asked = Asked::logits);

}  // namespace vitrail::trainer
