#include "trainer/weights/weight_source.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "models/families/families.hpp"
#include "models/weights/position_resize.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/settings.hpp"
#include "trainer/weights/head_rows.hpp"
#include "trainer/weights/param_groups.hpp"
#include "trainer/weights/task_head.hpp"
#include "trainer/weights/unfilled_tail.hpp"
#include "trainer/weights/weight_normalisation.hpp"
#include "trainer/weights/weight_table.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::trainer {

using models::Fit;

namespace {

Error average_of_file(const char* key) {
  return {ExitCode::refused, fmt::format("{} = ema with model.weights: a file holds one set of weights", key),
          fmt::format("leave {} out; export --ema writes a file of the average", key)};
}

std::int64_t heads_of(const models::ModelConfig& model) {
  return std::visit(
      [](const auto& network) -> std::int64_t {
        if constexpr (requires { network.heads; }) return network.heads;
        return 0;
      },
      models::resolve(model));
}

// Heads share a width between them: no shape tells how many they were.
void refuse_other_heads(const CheckpointReader& checkpoint, const models::ModelConfig& model) {
  const SettingsMap& settings = checkpoint.manifest().settings;
  const auto stored = config_of(settings, checkpoint.folder().string(), "model.").model;
  models::ModelConfig trained = model;
  if (settings.contains("model.name")) trained.name = stored.name;
  trained.width = stored.width;
  trained.heads = stored.heads;
  const std::int64_t theirs = heads_of(trained), ours = heads_of(model);
  if (theirs == ours) return;
  throw Error(ExitCode::refused,
              fmt::format("{}: trained with {} heads of attention, model.heads is {}",
                          checkpoint.folder().string(), theirs, ours),
              fmt::format("set model.heads = {}", theirs));
}

}  // namespace

class WeightSource::Stored {
 public:
  virtual ~Stored() = default;
  virtual std::string name() const = 0;
  virtual std::map<std::string, models::StoredTensor> tensors() const = 0;
  virtual void read(const std::string& parameter, std::int64_t begin, std::span<double> out) const = 0;
  virtual std::vector<std::string> classes() const = 0;    // that the head was trained for; empty: unknown
  virtual void check(const models::ModelConfig&) const {}  // what shapes do not tell
  virtual std::string remark() const { return ""; }        // on how its names were read
  virtual std::string way_out_of_nan() const = 0;
};

class WeightSource::OfFile final : public WeightSource::Stored {
 public:
  OfFile(const std::string& path, const std::vector<models::ParameterSpec>& parameters)
      : file_(path), prefix_(models::wrapper_prefix(models::stored_tensors(file_), parameters)) {
    refuse_unfilled_tail(file_, parameters, prefix_);
  }
  std::string name() const override { return file_.path().string(); }
  std::map<std::string, models::StoredTensor> tensors() const override {
    return models::without_prefix(models::stored_tensors(file_), prefix_);
  }
  void read(const std::string& parameter, std::int64_t begin, std::span<double> out) const override {
    models::read_weights(file_, prefix_ + parameter, begin, out);
  }
  std::vector<std::string> classes() const override { return {}; }
  std::string remark() const override {
    if (prefix_.empty()) return "";
    return fmt::format("{}: names of tensors begin with {}, which is left out", name(), prefix_);
  }
  std::string way_out_of_nan() const override {
    return "whatever wrote the file had diverged, or the file was damaged: take weights of before that";
  }

 private:
  SafetensorsReader file_;
  std::string prefix_;
};

class WeightSource::OfCheckpoint final : public WeightSource::Stored {
 public:
  // Without the head of a task that the parameters know nothing of.
  OfCheckpoint(const std::string& path, WeightsUsed which, const models::ParameterSpecs& wanted)
      : checkpoint_(checkpoint_in(path)),
        kind_(which == WeightsUsed::ema ? sharding::StateKind::ema : sharding::StateKind::weight) {
    if (which == WeightsUsed::ema && !checkpoint_.has(sharding::StateKind::ema)) {
      throw Error(ExitCode::refused,
                  fmt::format("{}: the run kept no average of its weights (ema.decay = 0)", name()),
                  "set evaluate.weights = raw, or finetune.weights where a run begins with them");
    }
    checkpoint_.verify();
    const auto& parameters = checkpoint_.manifest().parameters;
    for (std::size_t p = 0; p < parameters.size(); ++p) index_[parameters[p].name] = p;
    left_out_ = head_left_out(checkpoint_.manifest().settings, name(), wanted);
  }
  std::string name() const override { return checkpoint_.folder().string(); }
  std::map<std::string, models::StoredTensor> tensors() const override {
    std::map<std::string, models::StoredTensor> stored;
    for (const auto& p : checkpoint_.manifest().parameters) {
      if (!left_out_.contains(p.name)) stored[p.name] = {checkpoint_.manifest().type, p.shape};
    }
    return stored;
  }
  void read(const std::string& parameter, std::int64_t begin, std::span<double> out) const override {
    const std::size_t p = index_.at(parameter);
    if (checkpoint_.manifest().type == DataType::f64) {
      checkpoint_.read(kind_, p, begin, std::as_writable_bytes(out));
      return;
    }
    std::vector<float> narrow(out.size());
    checkpoint_.read(kind_, p, begin, std::as_writable_bytes(std::span(narrow)));
    std::ranges::copy(narrow, out.begin());
  }
  std::vector<std::string> classes() const override { return checkpoint_.manifest().class_ids; }
  void check(const models::ModelConfig& model) const override { refuse_other_heads(checkpoint_, model); }
  std::string remark() const override { return unfinished_note(checkpoint_.folder()); }
  std::string way_out_of_nan() const override {
    return "the run had diverged: take an earlier checkpoint (vitrail checkpoint list RUN)";
  }

 private:
  CheckpointReader checkpoint_;
  sharding::StateKind kind_;
  std::map<std::string, std::size_t> index_;
  std::set<std::string> left_out_;
};

WeightSource::WeightSource(const Config& config, const std::string& checkpoint,
                           const std::vector<models::ParameterSpec>& parameters,
                           std::vector<std::string> classes)
    : parameters_(parameters),
      position_resize_(config.model.position_resize),
      seed_(config.run.seed),
      fit_(parameters.size(), Fit::fresh),
      classes_(std::move(classes)) {
  if (!checkpoint.empty()) {
    stored_ = std::make_unique<OfCheckpoint>(checkpoint, config.evaluation.weights, parameters_);
  } else if (std::filesystem::is_directory(config.model.weights)) {
    stored_ = std::make_unique<OfCheckpoint>(config.model.weights, config.finetune.weights, parameters_);
  } else if (!config.model.weights.empty()) {
    if (config.finetune.weights == WeightsUsed::ema) throw average_of_file("finetune.weights");
    stored_ = std::make_unique<OfFile>(config.model.weights, parameters_);
  }
  if (stored_) {
    fit_ = models::fit_weights(stored_->tensors(), parameters_, stored_->name());
    stored_->check(config.model);
    note_ = normalisation_note(config, checkpoint.empty() ? config.model.weights : checkpoint);
  }
  if (stored_ && !classes_.empty() && config.finetune.head == HeadStart::by_name) select_rows(config);
}

void WeightSource::select_rows(const Config& config) {
  const auto refuse = [](const std::string& why, const std::string& way_out) {
    return Error(ExitCode::refused, "finetune.head = by_name: " + why, way_out);
  };
  const std::vector<std::string> known = stored_->classes();
  if (known.empty()) {
    throw refuse(fmt::format("{} does not say which classes its head knows", stored_->name()),
                 "set model.weights to the folder of the run that trained it, or finetune.head = fresh");
  }
  if (const auto count = static_cast<std::int64_t>(classes_.size()); count != config.model.classes) {
    throw refuse(
        fmt::format("the training set has {} classes, model.classes is {}", count, config.model.classes),
        fmt::format("set model.classes = {}", count));
  }
  head_rows_ = head_rows(known, classes_, stored_->name());
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    if (parameters_[p].head) fit_[p] = Fit::selected;
  }
}

WeightSource::~WeightSource() = default;

void WeightSource::read(std::size_t parameter, std::int64_t begin, std::span<double> out) const {
  const models::ParameterSpec& spec = parameters_[parameter];
  switch (fit_[parameter]) {
    case Fit::as_stored:
      return read_stored(spec.name, begin, out);
    case Fit::fresh:
      return models::fill_initial(spec.init, seed_, spec.name, begin, out);
    case Fit::resized: {
      const std::int64_t tokens = stored_->tensors().at(spec.name).shape[1];
      const std::int64_t wanted = spec.shape[1], width = spec.shape[2];
      std::vector<double> whole(static_cast<std::size_t>(tokens * width));
      read_stored(spec.name, 0, whole);
      whole = models::resize_positions(whole, tokens, wanted, width, position_resize_);
      std::ranges::copy(std::span(whole).subspan(static_cast<std::size_t>(begin), out.size()), out.begin());
      return;
    }
    case Fit::selected:
      return read_rows(parameter, begin, out);
  }
}

void WeightSource::read_rows(std::size_t parameter, std::int64_t begin, std::span<double> out) const {
  const models::ParameterSpec& spec = parameters_[parameter];
  const std::int64_t row_size = spec.elements() / spec.shape[0];
  while (!out.empty()) {
    const std::int64_t row = begin / row_size, column = begin % row_size;
    const auto here = std::min(out.size(), static_cast<std::size_t>(row_size - column));
    const std::int64_t stored_row = head_rows_[static_cast<std::size_t>(row)];
    read_stored(spec.name, stored_row * row_size + column, out.first(here));
    out = out.subspan(here);
    begin += static_cast<std::int64_t>(here);
  }
}

// Weights of fp64 may be finite and yet infinite where they are kept, in fp32.
void WeightSource::read_stored(const std::string& parameter, std::int64_t begin,
                               std::span<double> out) const {
  const auto is_usable = [](double value) {
    return std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max());
  };
  stored_->read(parameter, begin, out);
  if (std::ranges::all_of(out, is_usable)) return;
  std::string first;
  std::size_t tensors = 0;
  for (const auto& [name, tensor] : stored_->tensors()) {
    const auto is_it = [&name = name](const models::ParameterSpec& spec) { return spec.name == name; };
    if (std::ranges::none_of(parameters_, is_it)) continue;
    const std::int64_t elements = tensor.elements();
    std::vector<double> whole(static_cast<std::size_t>(elements));
    stored_->read(name, 0, whole);
    const auto bad = std::ranges::count_if(whole, std::not_fn(is_usable));
    if (bad == 0) continue;
    if (tensors++ > 0) continue;
    const bool finite = std::ranges::all_of(whole, [](double value) { return std::isfinite(value); });
    first = fmt::format("{} of the {} values of {} are {}", bad, elements, name,
                        finite ? "too large for fp32" : "not finite");
  }
  const std::string others =
      tensors > 1 ? fmt::format(", and some of {} more tensor{}", tensors - 1, tensors == 2 ? "" : "s") : "";
  throw Error(ExitCode::bad_data, fmt::format("{}: {}{}", stored_->name(), first, others),
              stored_->way_out_of_nan());
}

void WeightSource::fill(sharding::LaneState& lane_state) const {
  std::vector<double> values;
  for (const sharding::Piece& piece : lane_state.plan().pieces) {
    if (!lane_state.owns(piece)) continue;
    values.resize(static_cast<std::size_t>(piece.elements));
    // A run may begin again, after a rollback.
    const std::vector<std::byte> zeros(values.size() * size_of(lane_state.type()));
    for (const sharding::StateKind kind : lane_state.kinds()) lane_state.write(kind, piece, zeros.data());
    read(piece.parameter, piece.in_parameter, values);
    sharding::with_real(lane_state.type(), [&](auto real) {
      const std::vector<decltype(real)> rounded(values.begin(), values.end());
      lane_state.write(sharding::StateKind::weight, piece, std::as_bytes(std::span(rounded)).data());
    });
  }
}

std::string WeightSource::summary() const {
  const auto of = [&](Fit fit) { return std::ranges::count(fit_, fit); };
  return fmt::format("weights of {}: {} tensors, {} as they are, {} interpolated, {} by name, {} begin anew",
                     stored_->name(), parameters_.size(), of(Fit::as_stored), of(Fit::resized),
                     of(Fit::selected), of(Fit::fresh));
}

std::vector<std::string> WeightSource::log_lines(TableRows rows) const {
  if (!stored_) return {};
  std::vector<std::string> lines = weight_table(stored_->tensors(), parameters_, fit_, rows);
  for (const std::string& line : {note_, stored_->remark(), summary()}) {
    if (!line.empty()) lines.insert(lines.begin(), line);
  }
  return lines;
}

std::string WeightSource::record() const {
  if (!stored_) return {};
  std::string text = summary() + "\n";
  for (const std::string& line : {stored_->remark(), note_}) text += line.empty() ? "" : line + "\n";
  for (const auto& line : weight_table(stored_->tensors(), parameters_, fit_, TableRows::all))
    text += line + "\n";
  for (std::size_t k = 0; k < head_rows_.size(); ++k)
    text += fmt::format("class {} ({}): row {}\n", k, classes_[k], head_rows_[k]);
  return text;
}

void WeightSource::refuse_fresh_head() const {
  const auto fresh = std::ranges::find(fit_, Fit::fresh);
  if (fresh == fit_.end()) return;
  const models::ParameterSpec& spec = parameters_[static_cast<std::size_t>(fresh - fit_.begin())];
  const auto stored = stored_->tensors();
  if (!stored.contains(spec.name)) {
    throw Error(
        ExitCode::refused,
        fmt::format("{}: it has no head ({}): an untrained head knows nothing", stored_->name(), spec.name),
        "train one first: vitrail train --model.weights FILE begins with a new head; or let neighbours "
        "judge: "
        "vitrail eval --evaluate.protocol knn --evaluate.known SOURCE");
  }
  throw Error(
      ExitCode::refused,
      fmt::format("{}: {} is {}, wanted {}: an untrained head knows nothing", stored_->name(), spec.name,
                  models::format_shape(stored.at(spec.name).shape), models::format_shape(spec.shape)),
      "set model.classes to the number that the weights were trained for");
}

std::unique_ptr<models::Model> load_model(const Config& config, const std::string& checkpoint,
                                          c10::Device device,
                                          const std::function<void(const std::string&)>& say, Asked asked) {
  if (checkpoint.empty() && config.evaluation.weights == WeightsUsed::ema) {
    throw average_of_file("evaluate.weights");
  }
  at::set_num_threads(static_cast<int>(config.run.threads));
  models::ModelConfig network = config.model;
  if (const auto head = head_asked_for(checkpoint.empty() ? config.model.weights : checkpoint, asked))
    network.task_head = head;
  auto model = models::make_model(network);
  const auto& specs = model->parameters();
  const WeightSource source(config, checkpoint, specs);
  const std::vector<std::string> words =
      source.log_lines(asked == Asked::features ? TableRows::changed_body : TableRows::changed);
  if (asked != Asked::features) source.refuse_fresh_head();
  for (std::size_t i = 1; i < words.size(); ++i) say(words[i]);
  const DataType type = compute_type(config.precision.compute);
  std::vector<at::Tensor> tensors;
  for (std::size_t p = 0; p < specs.size(); ++p) {
    std::vector<double> values(static_cast<std::size_t>(specs[p].elements()));
    source.read(p, 0, values);
    tensors.push_back(at::tensor(values, at::kDouble)
                          .view(specs[p].shape)
                          .to(device, tensor_type(stored_type(specs[p], type))));
  }
  model->bind(tensors);
  return model;
}

}  // namespace vitrail::trainer
