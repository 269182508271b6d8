// Conditions that settings of several sections share.
#pragma once

#include "trainer/settings/setting.hpp"

namespace vitrail::trainer {

// Tensors are images already: they are used as they are.
inline SettingCondition with_images() {
  return {"data.train", "a data.train other than tensor:", [](const Config& config) {
            return !config.data.train.starts_with("tensor:");
          }};
}

inline SettingCondition with_validation() {
  return {"data.val", "data.val", [](const Config& config) { return !config.data.val.empty(); }};
}

}  // namespace vitrail::trainer
