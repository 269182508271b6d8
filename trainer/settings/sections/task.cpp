#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {

void add_task_settings(std::vector<Setting>& table) {
  const Section task(
      table, "task", [](auto& config) -> auto& { return config.task; });
  task.choice(
      "name", &TaskConfig::name,
      {{TaskName::classification, "classification"}, {TaskName::dino, "dino"}, {TaskName::mae, "mae"}},
      Effect::identity,
      {.help = "what is learned: labels; or, without them, the answers of an average of the network "
               "to other views of the same image (dino), or the pixels of most of its patches from "
               "the others (mae)"});
}

}  // namespace vitrail::trainer
