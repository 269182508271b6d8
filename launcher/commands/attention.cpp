#include "launcher/commands/asking/asked_weights.hpp"
#ifdef VITRAIL_TORCH
#include <nlohmann/json.hpp>

#include "datasets/codec/codec.hpp"
#include "datasets/pack/pack_format.hpp"
#include "launcher/commands/asking/class_names.hpp"
#include "launcher/commands/asking/evaluation_listing.hpp"
#include "launcher/ranks/environment.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/evaluation/attention.hpp"
#endif

namespace vitrail::launcher {
namespace {

struct AttentionFlags : AskedWeights {
  std::string output;
  std::int64_t samples = 8;
  double opacity = 0.6;
  bool exact = false;
  std::string names;  // a pack
};

std::vector<Option> attention_options() {
  FlagTable<AttentionFlags> flags;
  add_checkpoint(flags);
  add_images(flags);
  flags.add(
      "output", &AttentionFlags::output,
      {.help = "folder for a picture of each image, 000000.png and so on, and grid.png with all of them: "
               "the image, the mean over heads and each head, or the likeliest classes",
       .placeholder = "DIR",
       .required = true});
  flags.add("samples", &AttentionFlags::samples,
            {.help = "the first so many images", .bounds = from_to(1, 4096), .unit = "images"});
  flags.add("opacity", &AttentionFlags::opacity,
            {.help = "share of a map's colours over the image in grey", .bounds = from_to(0, 1)});
  flags.add(
      "exact", &AttentionFlags::exact,
      {.help = "also maps.safetensors there, with `attention` [images, heads or classes, rows, columns]"});
  flags.add("names", &AttentionFlags::names,
            {.help = "pack whose classes have the names to print",
             .placeholder = "PACK",
             .absent = "the names in the checkpoint, else of --data, else numbers"});
  flags.config_files();
  flags.format(&AttentionFlags::format);
  return flags.done();
}

// Maps are of one picture of each image.
std::vector<std::string> attention_settings() {
  std::vector<std::string> keys = settings_of_asking({});
  std::erase(keys, "evaluate.flip");
  std::erase(keys, "evaluate.crops");
  return keys;
}

#ifdef VITRAIL_TORCH
using Json = nlohmann::ordered_json;

// What was shown, as pictures in a folder and as rows for people or programs.
class Showing {
 public:
  Showing(const AttentionFlags& flags, const trainer::Config& config)
      : flags_(flags), names_(flags.names, flags.checkpoint, config) {}

  void show(const trainer::AttentionOfImage& one) {
    std::vector<datasets::Image> row = {one.picture};
    Json maps = Json::array();
    for (const trainer::AttentionMap& map : one.maps) {
      row.push_back(trainer::painted(one.picture, map, flags_.opacity));
      maps.push_back(map.name);
    }
    const std::string file = fmt::format("{:06}.png", seen_++);
    write(file, trainer::in_rows({row}));
    sheet_.push_back(std::move(row));
    list(one, file, std::move(maps));
  }

  void tell_damaged(const std::string& image, const std::string& reason) {
    ++seen_;
    fmt::print(stderr, "not shown: {}\n", reason);
    rows_.push_back({{"image", image}, {"error", reason}});
  }

  void finish(const Json& used) const {
    if (!sheet_.empty()) write("grid.png", trainer::in_rows(sheet_));
    if (json())
      fmt::print("{}\n", Json({{"output", flags_.output}, {"images", rows_}, {"used", used}})
                             .dump(-1, ' ', false, Json::error_handler_t::replace));
    else
      fmt::print(stderr, "{}: pictures of {} images, and grid.png\n", flags_.output, sheet_.size());
  }

  bool json() const { return flags_.format == OutputFormat::json; }

 private:
  void list(const trainer::AttentionOfImage& one, const std::string& file, Json maps) {
    Json top = Json::array();
    std::string text = datasets::printable(one.image);
    for (const trainer::Prediction& guess : one.likeliest) {
      const std::string name = names_[guess.label];
      top.push_back({{"class", guess.label}, {"name", name}, {"probability", guess.probability}});
      text += fmt::format("  {} {:.4f}", name, guess.probability);
    }
    if (!json()) fmt::print("{}\n", text);
    rows_.push_back(
        {{"image", one.image}, {"picture", file}, {"maps", std::move(maps)}, {"top", std::move(top)}});
  }

  void write(const std::string& file, const datasets::Image& picture) const {
    write_bytes_atomically(std::filesystem::path(flags_.output) / file, datasets::encode_png(picture));
  }

  const AttentionFlags& flags_;
  ClassNames names_;
  std::int64_t seen_ = 0;
  std::vector<std::vector<datasets::Image>> sheet_;
  Json rows_ = Json::array();
};

ExitCode run_attention(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<AttentionFlags>();
  const std::filesystem::path folder = flags.output;
  Showing showing(flags, line.config);
  Json used;
  const trainer::AttentionRequest request{
      .checkpoint = flags.checkpoint,
      .samples = flags.samples,
      .output = flags.exact ? folder / "maps.safetensors" : std::filesystem::path(),
      .say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); },
      .gpus = environment.gpus,
      .begin = [&] { make_directories(folder); },
      .take_used =
          [&](const trainer::UsedRecord& record) {
            used = json_of(record);
            if (!showing.json()) fmt::print(stderr, "{}\n", describe(record));
          },
      .take = [&](const trainer::AttentionOfImage& one) { showing.show(one); },
      .take_damaged = [&](const std::string& image,
                          const std::string& reason) { showing.tell_damaged(image, reason); }};
  const auto [images, damaged] = trainer::show_attention(line.config, request);
  showing.finish(used);
  if (damaged == 0) return ExitCode::done;
  fmt::print(stderr, "{} of {} images could not be read\n", damaged, images);
  return ExitCode::bad_data;
}
#else
ExitCode run_attention(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

}  // namespace

Command attention_command() {
  return {.name = "attention",
          .usage = "--data SOURCE --output DIR [--checkpoint DIR] [--section.key VALUE ...]",
          .summary = "pictures of where a model looks: the maps of its class attention over each image",
          .example = "vitrail attention --checkpoint runs/quickstart --data folder:photos --output maps",
          .note = kCheckpointsOwn,
          .uses = these_settings(attention_settings()),
          .flags = AttentionFlags(),
          .options = attention_options(),
          .stored = Stored::checkpoint,
          .take = refuse_two_weights<AttentionFlags>,
          .config_in_use = config_of_asking<AttentionFlags>,
          .check = [](const CommandLine& line) { require_weights<AttentionFlags>(line, "look with"); },
          .run = run_attention};
}

}  // namespace vitrail::launcher
