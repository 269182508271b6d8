#include <cmath>

#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace sharding;

SettingCondition with_fp16() {
  return {"precision.compute", "precision.compute = fp16",
          [](const Config& config) { return config.precision.compute == Precision::fp16; }};
}

}  // namespace

void add_precision_settings(std::vector<Setting>& table) {
  const Section precision(
      table, "precision", [](auto& config) -> auto& { return config.precision; });
  precision.choice("compute", &PrecisionConfig::compute,
                   {{Precision::fp32, "fp32"},
                    {Precision::fp16, "fp16"},
                    {Precision::bf16, "bf16"},
                    {Precision::fp64, "fp64"}},
                   Effect::identity,
                   {.help = "type of matrices and activations; with fp16 and bf16, master weights, norms and "
                            "the loss stay fp32; fp64 is for comparisons"});
  const Section loss_scale(
      table, "precision", [](auto& config) -> auto& { return config.precision.loss_scale; });
  loss_scale.add("loss_scale", &LossScaleConfig::initial, Effect::identity,
                 {.help = "initial loss scale, halved when a gradient overflows",
                  .bounds = from_to(1, 4294967296.0),
                  .when = {with_fp16()}},
                 {"a power of two",
                  [](const double& value) { return std::exp2(std::round(std::log2(value))) == value; }});
  loss_scale.add("loss_scale_window", &LossScaleConfig::window, Effect::identity,
                 {.help = "steps without overflow after which it is doubled; 0: never",
                  .bounds = from_to(0, 1e9),
                  .unit = "steps",
                  .when = {with_fp16()}});
}

}  // namespace vitrail::trainer
