#include "launcher/cli/command.hpp"

namespace vitrail::launcher {

// Each in the file of its name.
Command pack_command();
Command unpack_command();
Command verify_command();
Command info_command();
Command preview_command();
Command launch_command();
Command train_command();
Command eval_command();
Command predict_command();
Command features_command();
Command attention_command();
Command models_command();
Command export_command();
Command import_command();
Command checkpoint_command();
Command plan_command();
Command bench_command();
Command doctor_command();
Command submit_command();
Command sweep_command();
Command report_command();
Command watch_command();
Command completion_command();
Command manual_command();

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      pack_command(),      unpack_command(), verify_command(),     info_command(),    preview_command(),
      launch_command(),    train_command(),  eval_command(),       predict_command(), features_command(),
      attention_command(), models_command(), export_command(),     import_command(),  checkpoint_command(),
      plan_command(),      bench_command(),  doctor_command(),     submit_command(),  sweep_command(),
      report_command(),    watch_command(),  completion_command(), manual_command()};
  return all;
}

}  // namespace vitrail::launcher
