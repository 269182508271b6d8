#include "launcher/commands/asking/asked_weights.hpp"
#ifdef VITRAIL_TORCH
#include <cerrno>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "datasets/pack/pack_format.hpp"
#include "launcher/commands/asking/class_names.hpp"
#include "launcher/commands/asking/evaluation_listing.hpp"
#include "launcher/ranks/world.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/text/table.hpp"
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
  add_images(flags);
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

// What becomes of the answers, on rank 0: printed, a row of JSON each, logits in a file, or a table.
class Answers {
 public:
  Answers(const PredictFlags& flags, const trainer::Config& config) : flags_(flags), config_(config) {}

  void prepare(trainer::PredictionRequest& request) {
    request.take_used = [this](const trainer::UsedRecord& record) {
      used_ = json_of(record);
      if (!json() && prints()) fmt::print(stderr, "{}\n", describe(record));
    };
    request.take_damaged = [this](const std::string& image, const std::string& reason) {
      take_damaged(image, reason);
    };
    if (!prints() && !tabulates()) return;
    if (tabulates()) require_folder_of(flags_.output);
    names_.emplace(flags_.names, flags_.checkpoint, config_);
    request.take = [this](const std::string& image, std::span<const trainer::Prediction> guesses) {
      if (tabulates()) {
        tabulate(image, guesses.front());
      } else {
        print(image, guesses);
      }
    };
  }

  void finish(const trainer::PredictionCount& count) {
    if (count.damaged > 0) {
      fmt::print(stderr, "{} of {} images could not be read{}\n", count.damaged, count.images,
                 prints() || tabulates() ? "" : "; their logits are NaN");
    }
    if (tabulates()) write_text_atomically(flags_.output, table_);
    if (json()) {
      fmt::print("{}\n", (prints() ? rows_ : summary(count)).dump());
    } else if (tabulates()) {
      fmt::print(stderr, "{}: {} of {} images, with a confidence of at least {}\n", flags_.output, listed_,
                 count.images, flags_.min_confidence);
    } else if (!prints()) {
      fmt::print(stderr, "{}: logits of {} images, {} classes\n", flags_.output, count.images,
                 config_.model.classes);
    }
  }

 private:
  bool json() const { return flags_.format == OutputFormat::json; }
  bool prints() const { return flags_.output.empty(); }
  bool tabulates() const { return is_table(flags_.output); }

  Json summary(const trainer::PredictionCount& count) const {
    Json said = {{"images", count.images},
                 {"damaged", rows_},
                 {"classes", config_.model.classes},
                 {"output", flags_.output}};
    if (tabulates()) said["listed"] = listed_;
    said["used"] = used_;
    return said;
  }

  void take_damaged(const std::string& image, const std::string& reason) {
    fmt::print(stderr, "not predicted: {}\n", reason);
    Json row = {{"image", image}, {"error", reason}};
    if (prints()) row["used"] = used_;
    rows_.push_back(std::move(row));
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
    if (json()) {
      rows_.push_back(std::move(row));
    } else {
      fmt::print("{}\n", text);
    }
  }

  void tabulate(const std::string& image, const trainer::Prediction& guess) {
    if (!(guess.probability >= flags_.min_confidence)) return;
    ++listed_;
    table_ += csv_line({image, std::to_string(guess.label), (*names_)[guess.label],
                        fmt::format("{:.6f}", guess.probability)});
  }

  // It is written at the end; where that cannot be, nothing is computed.
  static void require_folder_of(const std::filesystem::path& table) {
    const std::filesystem::path folder = table.has_parent_path() ? table.parent_path() : ".";
    if (!std::filesystem::is_directory(folder)) throw io_error("--output", table, ENOENT);
  }

  const PredictFlags& flags_;
  const trainer::Config& config_;
  Json rows_ = Json::array();  // into a file: of the damaged images alone
  Json used_;
  std::optional<ClassNames> names_;
  std::string table_ = csv_line({"image", "label", "class", "confidence"});
  std::int64_t listed_ = 0;
};

ExitCode run_predict(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<PredictFlags>();
  World world(environment, line.config.sharding);
  return world.run("prediction", [&] {
    sharding::Communicator& ranks = world.communicator();
    trainer::PredictionRequest request{
        .checkpoint = flags.checkpoint,
        .output = is_table(flags.output) ? "" : flags.output,
        .top = is_table(flags.output) ? 1 : flags.top,
        .say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); },
        .gpus = environment.gpus};
    Answers answers(flags, line.config);
    if (ranks.rank() == 0) answers.prepare(request);
    const trainer::PredictionCount count = trainer::predict(line.config, request, ranks);
    // mpirun ends all ranks once one has gone with a failure: the one that tells is the one that has it.
    if (ranks.rank() != 0) return ExitCode::done;
    answers.finish(count);
    return count.damaged == 0 ? ExitCode::done : ExitCode::bad_data;
  });
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
          .summary = "logits or likeliest classes of images in a pack, a folder, tars or a tensor file",
          .example = "vitrail predict --checkpoint runs/quickstart/checkpoints/latest --data folder:photos",
          .note = kCheckpointsOwn,
          .uses = these_settings(settings_of_asking({"sharding.timeout"})),
          .flags = PredictFlags(),
          .options = predict_options(),
          .stored = Stored::checkpoint,
          .take = refuse_two_weights<PredictFlags>,
          .config_in_use = config_of_asking<PredictFlags>,
          .check = [](const CommandLine& line) { require_weights<PredictFlags>(line, "ask"); },
          .by_many = true,
          .run = run_predict};
}

}  // namespace vitrail::launcher
