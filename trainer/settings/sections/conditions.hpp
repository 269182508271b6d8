// Conditions that settings of several sections share.
#pragma once

#include "trainer/settings/setting.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {

// Tensors are images already: they are used as they are.
inline SettingCondition with_images() {
  return {"data.train", "a data.train other than tensor:", [](const Config& config) {
            return !config.data.train.starts_with("tensor:");
          }};
}

inline SettingCondition with_labels() {
  return {"task.name", "task.name = classification or linear",
          [](const Config& config) { return learns_labels(config.task.name); }};
}

inline SettingCondition with_dino() {
  return {"task.name", "task.name = dino",
          [](const Config& config) { return config.task.name == TaskName::dino; }};
}

inline SettingCondition with_mae() {
  return {"task.name", "task.name = mae",
          [](const Config& config) { return config.task.name == TaskName::mae; }};
}

inline SettingCondition with_grafit() {
  return {"task.name", "task.name = grafit",
          [](const Config& config) { return config.task.name == TaskName::grafit; }};
}

inline SettingCondition with_linear() {
  return {"task.name", "task.name = linear",
          [](const Config& config) { return config.task.name == TaskName::linear; }};
}

// All of the network learns.
inline SettingCondition with_learning_body() {
  return {"task.name", "a task.name other than linear",
          [](const Config& config) { return config.task.name != TaskName::linear; }};
}

// The loss knows of classes.
inline SettingCondition with_classes() {
  return {"task.name", "task.name = classification, linear or grafit",
          [](const Config& config) { return uses_labels(config.task.name); }};
}

// Others draw their views by settings of their own.
inline SettingCondition with_one_view() {
  return {"task.name", "a task.name other than dino",
          [](const Config& config) { return config.task.name != TaskName::dino; }};
}

inline SettingCondition with_validation() {
  return {"data.val", "data.val", [](const Config& config) { return !config.data.val.empty(); }};
}

}  // namespace vitrail::trainer
