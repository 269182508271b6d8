#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {

void add_task_settings(std::vector<Setting>& table) {
  const Section task(
      table, "task", [](auto& config) -> auto& { return config.task; });
  task.choice("name", &TaskConfig::name,
              {{TaskName::classification, "classification"},
               {TaskName::dino, "dino"},
               {TaskName::mae, "mae"},
               {TaskName::grafit, "grafit"},
               {TaskName::linear, "linear"}},
              Effect::identity,
              {.help = "what is learned: labels; or, without them, the answers of an average of the network "
                       "to other views of the same image (dino), or the pixels of most of its patches from "
                       "the others (mae); or embeddings that tell images apart within their classes "
                       "(grafit); or labels, by a "
                       "classifier on a body that stays as it is (linear)"});
  table.back().complaint = [](const std::string& text) -> std::string {
    if (text != "simclr") return "";
    return "each image would be told from all others of the batch, which lanes that are computed one after "
           "another "
           "never see together; dino, and grafit with labels, want no such negatives";
  };
}

}  // namespace vitrail::trainer
