#include "launcher/report/pictures.hpp"

#include <algorithm>
#include <cstdio>

#include "datasets/augment/preview.hpp"
#include "datasets/codec/codec.hpp"
#include "launcher/commands/asking/class_names.hpp"
#include "launcher/commands/asking/preview_plan.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"
#include "trainer/evaluation/attention_picture.hpp"
#ifdef VITRAIL_TORCH
#include "trainer/evaluation/attention.hpp"
#endif

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDraws = 6;  // of each image in a preview

ReportedPicture as_png(const datasets::Image& image) {
  const std::vector<std::byte> bytes = datasets::encode_png(image);
  ReportedPicture picture;
  picture.width = image.width;
  picture.height = image.height;
  picture.png.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return picture;
}

#ifdef VITRAIL_TORCH
ReportedPicture picture_of(const trainer::AttentionOfImage& one, const ClassNames& names) {
  constexpr double kOpacity = 0.6;
  std::vector<datasets::Image> row = {one.picture};
  std::vector<std::string> columns = {"image"};
  for (const trainer::AttentionMap& map : one.maps) {
    row.push_back(trainer::painted(one.picture, map, kOpacity));
    columns.push_back(map.label ? names[*map.label] : map.name);
  }
  ReportedPicture picture = as_png(trainer::in_rows({row}));
  picture.columns = columns;
  picture.title = one.image;
  for (const trainer::Prediction& guess : one.likeliest)
    picture.text += fmt::format("{}{} ({:.0f} %)", picture.text.empty() ? "" : ", ", names[guess.label],
                                100 * guess.probability);
  return picture;
}

// By the newest checkpoint, wherever the report is made.
std::vector<ReportedPicture> attention_of(const RunReport& run, const PicturesAsked& asked) {
  const fs::path checkpoint = trainer::find_checkpoint(run.folder);
  const trainer::CheckpointManifest manifest = trainer::read_checkpoint_manifest(checkpoint);
  trainer::Config config = trainer::config_of(manifest.settings, checkpoint.string());
  config.data.val = asked.attention;
  config.run.device = trainer::RunConfig().device;
  const ClassNames names("", checkpoint.string(), config);
  std::vector<ReportedPicture> pictures;
  const auto add = [&](ReportedPicture picture) {
    picture.kind = "attention";
    picture.step = manifest.state.step;
    pictures.push_back(std::move(picture));
  };
  trainer::AttentionRequest request;
  request.checkpoint = checkpoint.string();
  request.samples = asked.samples;
  request.gpus = asked.gpus;
  request.say = [&](const std::string& text) { fmt::print(stderr, "{}: {}\n", run.name, text); };
  request.take = [&](const trainer::AttentionOfImage& one) { add(picture_of(one, names)); };
  request.take_damaged = [&](const std::string& image, const std::string& reason) {
    ReportedPicture none;
    none.title = image;
    none.text = "not shown: " + reason;
    request.say(none.text);
    add(none);
  };
  trainer::show_attention(config, request);
  return pictures;
}
#else
std::vector<ReportedPicture> attention_of(const RunReport&, const PicturesAsked&) {
  throw Error(ExitCode::usage, "this program was built without LibTorch", "build it with -DVITRAIL_TORCH=ON");
}
#endif

// The first images of the source as the run's augmentation draws them.
ReportedPicture preview_of(const RunReport& run, const PicturesAsked& asked) {
  const trainer::Config config = trainer::config_of(run.settings, (run.folder / "config.cfg").string());
  const auto dataset = datasets::open_shown(asked.preview, {.given_as = "--preview"});
  const std::int64_t pairs = (asked.samples + 1) / 2;  // images are mixed with each other
  const datasets::Preview preview = datasets::make_preview(*dataset, preview_plan(config, 2 * pairs, kDraws));
  ReportedPicture picture = as_png(datasets::grid_of(preview));
  picture.kind = "preview";
  picture.title = asked.preview;
  picture.text = fmt::format("the first {} images, {} draws of each", preview.samples.size(), kDraws);
  return picture;
}

}  // namespace

void add_pictures(Report& report, const PicturesAsked& asked) {
  std::vector<std::size_t> best = ranking_of(report).order;
  best.resize(std::min(best.size(), kRunsWithPictures));
  for (const std::size_t i : best) {
    RunReport& run = report.runs[i];
    std::string doing;
    try {
      doing = "--attention " + asked.attention;
      if (!asked.attention.empty()) run.pictures = attention_of(run, asked);
      doing = "--preview " + asked.preview;
      if (!asked.preview.empty()) run.pictures.push_back(preview_of(run, asked));
    } catch (const Error& e) {
      throw e.in(fmt::format("{} of {}", doing, run.name));
    }
  }
}

}  // namespace vitrail::launcher
