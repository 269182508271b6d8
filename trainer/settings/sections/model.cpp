#include "models/layers/activation_checkpointing.hpp"
#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace models;

// Where the weights come from; --checkpoint stands in their place.
SettingCondition with_weights() {
  return {"model.weights", "model.weights or --checkpoint",
          [](const Config& config) { return !config.model.weights.empty(); }};
}

// Numbers of a named model that may be other ones.
template <class Reach>
void add_overrides(const Section<Reach>& model) {
  const std::string own = "the named model's own";
  model.add("patch", &ModelConfig::patch, Effect::identity,
            {.help = "side of a patch", .bounds = from_to(1, 256), .unit = "pixels", .absent = own});
  model.add("width", &ModelConfig::width, Effect::identity,
            {.help = "channels of a token", .bounds = from_to(1, 65536), .absent = own});
  model.add("depth", &ModelConfig::depth, Effect::identity,
            {.help = "encoder blocks", .bounds = from_to(1, 1024), .absent = own});
  model.add("heads", &ModelConfig::heads, Effect::identity,
            {.help = "attention heads", .bounds = from_to(1, 1024), .absent = own});
  model.add("parallel", &ModelConfig::parallel, Effect::identity,
            {.help = "attention branches of a block side by side, then as many MLPs",
             .bounds = from_to(1, 16),
             .absent = own});
  model.add("layer_scale", &ModelConfig::layer_scale, Effect::identity,
            {.help = "first value of every branch's gain; 0: no such gain",
             .bounds = from_to(0, 10),
             .absent = own});
}

}  // namespace

void add_model_settings(std::vector<Setting>& table) {
  const Section model(
      table, "model", [](auto& config) -> auto& { return config.model; });
  model.add("name", &ModelConfig::name, Effect::identity,
            {.help = "`vitrail models` lists them", .placeholder = "NAME"});
  model.add("image_size", &ModelConfig::image_size, Effect::identity,
            {.help = "side of the square images that the model sees; timm's names bring their own",
             .bounds = from_to(8, 2048),
             .unit = "pixels"});
  model.add("classes", &ModelConfig::classes, Effect::identity,
            {.help = "outputs of the head", .bounds = from_to(1, 1e6), .unit = "classes"});
  add_overrides(model);
  model.add("drop_path", &ModelConfig::drop_path, Effect::identity,
            {.help = "share of images for which a branch is left out",
             .bounds = from_below(0, 1),
             .when = {with_learning_body()}});
  model.add(
      "dropout", &ModelConfig::dropout, Effect::identity,
      {.help =
           "share of the numbers behind positions and linear layers that are set to 0 in training; of ViT "
           "and DeiT",
       .bounds = from_below(0, 1),
       .when = {with_learning_body()}});
  model.choice(
      "drop_path_law", &ModelConfig::drop_path_law,
      {{DropPathLaw::of_model, "own"}, {DropPathLaw::constant, "constant"}, {DropPathLaw::linear, "linear"}},
      Effect::identity,
      {.help = "drop_path in every layer, or rising to it from 0 in the first; own: the named model's"});
  model.choice("pooling", &ModelConfig::pooling, {{Pooling::token, "token"}, {Pooling::mean, "mean"}},
               Effect::identity,
               {.help = "what a vision transformer's head reads: its class token, or the mean of its patches "
                        "past a norm of its own, as MAE fine-tunes"});
  model.add("batch_norm_lanes", &ModelConfig::batch_norm_lanes, Effect::identity,
            {.help = "lanes that one rank computes as one batch, whose statistics batch norms take: at most "
                     "run.lanes / batch_norm_lanes ranks",
             .bounds = from_to(1, 65536),
             .unit = "lanes"});
  model.add("activation_checkpointing", &ModelConfig::activation_checkpointing, Effect::speed,
            {.help = "what backward computes a second time instead of keeping it: nothing, attention, every "
                     "block, or segments of K blocks; no result depends on it",
             .placeholder = "none|attention|block|every:K"},
            {"none, attention, block or every:K",
             [](const std::string& text) { return read_activation_checkpointing(text).has_value(); }});
  model.add("weights", &ModelConfig::weights, Effect::result,
            {.help = "weights to start from: a safetensors file under timm's tensor names, or a checkpoint",
             .placeholder = "FILE|DIR",
             .absent = "random, by run.seed"});
  model.choice("position_resize", &ModelConfig::position_resize,
               {{PositionResize::bicubic, "bicubic"}, {PositionResize::antialias, "antialias"}},
               Effect::result,
               {.help = "position embeddings of weights for another image size are interpolated as DeiT does "
                        "it, or with antialiasing as timm does",
                .when = {with_weights()}});
}

}  // namespace vitrail::trainer
