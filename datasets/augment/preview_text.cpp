#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "datasets/augment/preview.hpp"
#include "datasets/pack/pack_format.hpp"

namespace vitrail::datasets {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Box& box) { return {box.x, box.y, box.width, box.height}; }

Json json_of(const DrawnAugmentation& drawn) {
  Json operations = Json::array(), erased = Json::array();
  for (const Operation& operation : drawn.operations) {
    operations.push_back({{"name", name_of(operation.kind)}, {"argument", operation.argument}});
  }
  for (const Erasure& erasure : drawn.erased) {
    erased.push_back({{"box", json_of(erasure.box)}, {"noise", erasure.noise}, {"colour", erasure.colour}});
  }
  const View& view = drawn.view;
  Json json = {{"source", json_of(view.source)}, {"scaled", {view.width, view.height}},
               {"window", json_of(view.window)}, {"mirrored", view.mirrored},
               {"operations", operations},       {"erased", erased}};
  if (view.black_outside) json["outside"] = "black";
  return json;
}

Json json_of(const Mix& mix, std::size_t partner) {
  Json json = {{"weight", mix.weight}, {"partner", partner}, {"box", nullptr}};
  if (mix.box) json["box"] = json_of(*mix.box);
  return json;
}

std::string text_of(const Box& box) {
  return fmt::format("{} x {} at {},{}", box.width, box.height, box.x, box.y);
}

std::string text_of(const DrawnAugmentation& drawn) {
  const View& view = drawn.view;
  std::string text = fmt::format("{}, scaled to {} x {}", text_of(view.source), view.width, view.height);
  if (view.window.width != view.width || view.window.height != view.height) {
    text += ", of that " + text_of(view.window) + (view.black_outside ? " on black" : "");
  }
  if (view.mirrored) text += ", mirrored";
  for (const Operation& operation : drawn.operations) {
    text += fmt::format(", {} {:.4g}", name_of(operation.kind), operation.argument);
  }
  for (const Erasure& erasure : drawn.erased) text += ", erased " + text_of(erasure.box);
  return text;
}

std::string text_of(const Mix& mix, std::size_t partner) {
  std::string text = fmt::format(", {:.4g} of it with image {}", mix.weight, partner);
  if (mix.box) text += " in " + text_of(*mix.box);
  return text;
}

std::span<const std::int64_t> seen_of(const Preview& preview, const Preview::Draw& draw, std::size_t sample) {
  const auto count = static_cast<std::size_t>(preview.plan.masked.seen);
  return std::span(draw.seen).subspan(sample * count, count);
}

}  // namespace

std::string to_json(const Preview& preview) {
  const PreviewPlan& plan = preview.plan;
  Json samples = Json::array(), draws = Json::array();
  for (const Preview::Sample& sample : preview.samples) {
    samples.push_back({{"name", sample.name}, {"width", sample.width}, {"height", sample.height}});
    if (!sample.class_name.empty()) samples.back()["class"] = sample.class_name;
  }
  for (const Preview::Draw& draw : preview.draws) {
    Json pictures = Json::array();
    for (std::size_t i = 0; i < draw.samples.size(); ++i) {
      Json picture = json_of(draw.samples[i]);
      if (!draw.mixes.empty()) picture["mix"] = json_of(draw.mixes[i], draw.samples.size() - 1 - i);
      if (!draw.seen.empty()) picture["seen"] = seen_of(preview, draw, i);
      pictures.push_back(std::move(picture));
    }
    draws.push_back({{"epoch", draw.epoch}});
    if (const ViewPlan& view = preview.view_of(draw); !view.name.empty()) {
      draws.back()["view"] = view.name;
      draws.back()["image_size"] = view.image_size;
    }
    draws.back()["pictures"] = std::move(pictures);
  }
  Json json = {{"seed", plan.seed},
               {"image_size", plan.views.front().image_size},
               {"dct_scaling", plan.views.front().augment.dct_scaling}};
  if (plan.masked.side > 0) json["patch"] = plan.masked.side;
  json["samples"] = std::move(samples);
  json["draws"] = std::move(draws);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_text(const Preview& preview) {
  std::string text;
  for (std::size_t i = 0; i < preview.samples.size(); ++i) {
    const Preview::Sample& sample = preview.samples[i];
    text += fmt::format("image {}: {}, {}{} x {}\n", i, printable(sample.name),
                        sample.class_name.empty() ? "" : printable(sample.class_name) + ", ", sample.width,
                        sample.height);
    for (const Preview::Draw& draw : preview.draws) {
      const std::string& view = preview.view_of(draw).name;
      text += fmt::format("  epoch {}{}: {}", draw.epoch, view.empty() ? "" : ", " + view,
                          text_of(draw.samples[i]));
      if (!draw.mixes.empty()) text += text_of(draw.mixes[i], preview.samples.size() - 1 - i);
      if (!draw.seen.empty()) {
        text += fmt::format(", {} of {} patches seen: {}", preview.plan.masked.seen,
                            preview.plan.masked.patches, fmt::join(seen_of(preview, draw, i), " "));
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace vitrail::datasets
