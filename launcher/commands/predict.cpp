#include "launcher/commands/asking/asked_weights.hpp"
#ifdef VITRAIL_TORCH
#include <nlohmann/json.hpp>

#include "datasets/dataset.hpp"
#include "datasets/pack/pack_format.hpp"
#include "launcher/commands/asking/evaluation_listing.hpp"
#include "launcher/ranks/environment.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"
#include "trainer/evaluation/predict.hpp"
#endif

namespace vitrail::launcher {
namespace {

struct PredictFlags : AskedWeights {
  std::string output;  // empty: likeliest classes are printed
  std::int64_t top = 5;
  std::string names;  // a pack
  double min_confidence = 0;
};

bool is_table(const std::string& output) { return output.ends_with(".csv"); }

std::vector<Option> predict_options() {
  const Condition without_output{"output", "no --output", [](const CommandLine& line) {
                                   return line.own<PredictFlags>().output.empty();
                                 }};
  const Condition with_names{"output", "no --output, or a .csv", [](const CommandLine& line) {
                               const std::string& output = line.own<PredictFlags>().output;
                               return output.empty() || is_table(output);
                             }};
  const Condition with_table{"output", "--output FILE.csv", [](const CommandLine& line) {
                               return is_table(line.own<PredictFlags>().output);
                             }};
  FlagTable<PredictFlags> flags;
  add_checkpoint(flags);
  flags.alias(
      "data", "data.val",
      {.help = "images to look at: a pack's folder, folder:DIR, tensor:FILE.safetensors (labels are not "
               "needed) or synthetic:; short for data.val",
       .placeholder = "SOURCE",
       .required = true});
  flags.add(
      "output", &PredictFlags::output,
      {.help =
           "safetensors file for `logits` [images, classes]; or, called .csv, a table of image, label, class "
           "and confidence, for data.labels or a source csv:",
       .placeholder = "FILE",
       .absent = "the likeliest classes are printed instead"});
  flags.add("top", &PredictFlags::top,
            {.help = "likeliest classes printed of each image",
             .bounds = from_to(1, 1e6),
             .when = {without_output}});
  flags.add("names", &PredictFlags::names,
            {.help = "pack whose classes have the names to print",
             .placeholder = "PACK",
             .absent = "the names in the checkpoint, else of --data, else numbers",
             .when = {with_names}});
  flags.add("min-confidence", &PredictFlags::min_confidence,
            {.help = "probability of the likeliest class from which on an image is in the table",
             .bounds = from_to(0, 1),
             .when = {with_table}});
  flags.config_files();
  flags.format(&PredictFlags::format);
  return flags.done();
}

#ifdef VITRAIL_TORCH
using Json = nlohmann::ordered_json;

// What the model's outputs are called: as the classes of --names, as the checkpoint recorded, or as those of
// the data where they are as many; else by number, which is said where the data have names.
class ClassNames {
 public:
  ClassNames(const PredictFlags& flags, const datasets::DataConfig& data, std::int64_t classes) {
    if (!flags.names.empty()) {
      take(*datasets::open_dataset(flags.names, {.classes = data.classes}));
      if (count() == classes) return;
      throw Error(ExitCode::refused,
                  fmt::format("--names {}: {} classes, the model has {}", flags.names, count(), classes),
                  "name the pack that the model was trained on");
    }
    if (!flags.checkpoint.empty()) {
      names_ = trainer::read_checkpoint_manifest(trainer::find_checkpoint(flags.checkpoint)).classes;
    }
    if (!names_.empty()) return;
    const auto shown = datasets::open_unlabelled(data.val, {.classes = data.classes});
    if (shown->classes() == classes) {
      take(*shown);
    } else if (shown->classes() > 0) {
      fmt::print(stderr,
                 "classes by number: {} has {}, the model {}; --names takes a pack that it was trained on\n",
                 shown->describe(), shown->classes(), classes);
    }
  }
  std::string operator[](std::int64_t label) const {
    return label < count() ? names_[static_cast<std::size_t>(label)] : std::to_string(label);
  }

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(names_.size()); }
  void take(const datasets::Dataset& dataset) {
    for (std::int64_t c = 0; c < dataset.classes(); ++c) names_.push_back(dataset.class_name(c));
  }

  std::vector<std::string> names_;
};

// A field of CSV (RFC 4180).
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos && !text.starts_with(' ') && !text.ends_with(' '))
    return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// What becomes of the answers: printed, a row of JSON each, logits in a file, or a table.
class Answers {
 public:
  Answers(const PredictFlags& flags, const trainer::Config& config)
      : flags_(flags), config_(config), json_(flags.format == OutputFormat::json) {
    if (!prints() && !is_table(flags.output)) return;
    names_.emplace(flags, config.data, config.model.classes);
  }

  bool prints() const { return flags_.output.empty(); }

  void fill(trainer::PredictionRequest& request) {
    request.take_damaged = [this](const std::string& image, const std::string& reason) {
      take_damaged(image, reason);
    };
    request.take_used = [this](const trainer::UsedRecord& record) {
      used_ = json_of(record);
      if (!json_ && prints()) fmt::print(stderr, "{}\n", describe(record));
    };
    if (prints()) {
      request.take = [this](const auto& image, const auto& guesses) { print(image, guesses); };
    } else if (is_table(flags_.output)) {
      request.output.clear();
      request.top = 1;
      request.take = [this](const auto& image, const auto& guesses) { tabulate(image, guesses.front()); };
    }
  }

  void finish(std::int64_t images, std::int64_t bad) const {
    const bool table = is_table(flags_.output);
    if (bad > 0) {
      fmt::print(stderr, "{} of {} images could not be decoded{}\n", bad, images,
                 prints() || table ? "" : "; their logits are NaN");
    }
    if (table) write_text_atomically(flags_.output, table_);
    if (prints()) {
      if (json_) fmt::print("{}\n", rows_.dump());
      return;
    }
    Json said = {{"images", images},
                 {"damaged", damaged_},
                 {"classes", config_.model.classes},
                 {"output", flags_.output}};
    if (table) said["listed"] = listed_;
    said["used"] = used_;
    if (json_) {
      fmt::print("{}\n", said.dump());
    } else if (table) {
      fmt::print(stderr, "{}: {} of {} images, with a confidence of at least {}\n", flags_.output, listed_,
                 images, flags_.min_confidence);
    } else {
      fmt::print(stderr, "{}: logits of {} images, {} classes\n", flags_.output, images,
                 config_.model.classes);
    }
  }

 private:
  void take_damaged(const std::string& image, const std::string& reason) {
    fmt::print(stderr, "not predicted: {}\n", reason);
    Json row = {{"image", image}, {"error", reason}};
    if (prints()) row["used"] = used_;
    (prints() ? rows_ : damaged_).push_back(std::move(row));
  }

  void print(const std::string& image, std::span<const trainer::Prediction> guesses) {
    Json row = {{"image", image}, {"top", Json::array()}, {"used", used_}};
    std::string text = datasets::printable(image);
    for (const trainer::Prediction& guess : guesses) {
      const std::string name = (*names_)[guess.label];
      row["top"].push_back({{"class", guess.label},
                            {"name", name},
                            {"logit", guess.logit},
                            {"probability", guess.probability}});
      text += fmt::format("  {} {:.4f}", name, guess.probability);
    }
    if (json_) {
      rows_.push_back(std::move(row));
    } else {
      fmt::print("{}\n", text);
    }
  }

  void tabulate(const std::string& image, const trainer::Prediction& guess) {
    if (!(guess.probability >= flags_.min_confidence)) return;
    ++listed_;
    table_ += fmt::format("{},{},{},{:.6f}\n", csv_field(image), guess.label,
                          csv_field((*names_)[guess.label]), guess.probability);
  }

  const PredictFlags& flags_;
  const trainer::Config& config_;
  const bool json_;
  std::optional<ClassNames> names_;
  Json rows_ = Json::array(), damaged_ = Json::array(), used_;
  std::string table_ = "image,label,class,confidence\n";
  std::int64_t listed_ = 0;
};

ExitCode run_predict(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<PredictFlags>();
  trainer::PredictionRequest request{.checkpoint = flags.checkpoint,
                                     .output = flags.output,
                                     .top = flags.top,
                                     .say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); },
                                     .gpus = environment.gpus};
  Answers answers(flags, line.config);
  answers.fill(request);
  const auto [images, bad] = trainer::predict(line.config, request);
  answers.finish(images, bad);
  return bad == 0 ? ExitCode::done : ExitCode::bad_data;
}

#else
ExitCode run_predict(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

}  // namespace

Command predict_command() {
  return {.name = "predict",
          .usage = "--data SOURCE [--checkpoint DIR] [--output FILE] [--section.key VALUE ...]",
          .summary = "logits or likeliest classes of images in a pack, a folder or a tensor file",
          .example = "vitrail predict --checkpoint runs/quickstart/checkpoints/latest --data folder:photos",
          .note = kCheckpointsOwn,
          .uses = these_settings(settings_of_asking({})),
          .flags = PredictFlags(),
          .options = predict_options(),
          .stored = Stored::checkpoint,
          .take = refuse_two_weights<PredictFlags>,
          .config_in_use = config_of_asking<PredictFlags>,
          .check = [](const CommandLine& line) { require_weights<PredictFlags>(line, "ask"); },
          .run = run_predict};
}

}  // namespace vitrail::launcher
