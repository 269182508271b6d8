// The stacks of all threads of this process, on standard error: each thread writes its own, in the handler of
// a signal sent to it (SIGRTMIN + 5). One that blocks signals is left
// out, one that does not answer within half a second is passed over.
#pragma once

#include <string>

namespace vitrail::trainer {

void prepare_thread_stacks();  // installs the handler: before anything hangs
void show_thread_stacks(const std::string& title);

}  // namespace vitrail::trainer
