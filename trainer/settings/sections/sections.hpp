// The sections of the setting table, in the order of help: one function each, in a file of its name.
#pragma once

#include <vector>

#include "trainer/settings/setting.hpp"

namespace vitrail::trainer {

void add_run_settings(std::vector<Setting>& table);
void add_task_settings(std::vector<Setting>& table);
void add_data_settings(std::vector<Setting>& table);
void add_augment_settings(std::vector<Setting>& table);
void add_model_settings(std::vector<Setting>& table);
void add_finetune_settings(std::vector<Setting>& table);
void add_loss_settings(std::vector<Setting>& table);
void add_dino_settings(std::vector<Setting>& table);
void add_mae_settings(std::vector<Setting>& table);
void add_grafit_settings(std::vector<Setting>& table);
void add_linear_settings(std::vector<Setting>& table);
void add_distillation_settings(std::vector<Setting>& table);
void add_optimizer_settings(std::vector<Setting>& table);
void add_ema_settings(std::vector<Setting>& table);
void add_schedule_settings(std::vector<Setting>& table);
void add_precision_settings(std::vector<Setting>& table);
void add_sharding_settings(std::vector<Setting>& table);
void add_checkpoint_settings(std::vector<Setting>& table);
void add_guard_settings(std::vector<Setting>& table);
void add_watchdog_settings(std::vector<Setting>& table);
void add_evaluate_settings(std::vector<Setting>& table);
void add_log_settings(std::vector<Setting>& table);

}  // namespace vitrail::trainer
