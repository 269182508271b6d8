// GoogleTest's main for programs that mpirun starts: PROGRAM --world=N. Every rank runs every test. A world
// of another size than N is an error, so that nobody tests a world of one without noticing; and a rank whose
// check fails says so and ends at once, because the others may be waiting for it: mpirun then ends them.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sharding/comm/mpi_handles.hpp"

namespace vitrail::tests {
namespace {

class EndAtTheFirstFailure : public testing::EmptyTestEventListener {
 public:
  explicit EndAtTheFirstFailure(int rank) : rank_(rank) {}

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fmt::print(stderr, "rank {}: {}:{}: {}\n", rank_, result.file_name() ? result.file_name() : "?",
               result.line_number(), result.message());
    std::fflush(nullptr);
    std::_Exit(1);
  }

 private:
  int rank_;
};

int run_all(int told_size) {
  const sharding::MpiSession session;
  const sharding::MpiComm comm;
  if (comm.size() != told_size) {
    fmt::print(stderr, "a world of {} instead of {}: is this mpirun the one of the MPI we were built with?\n",
               comm.size(), told_size);
    return 1;
  }
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (comm.rank() != 0) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new EndAtTheFirstFailure(comm.rank()));  // GoogleTest owns it
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace vitrail::tests

int main(int count, char** words) {
  testing::InitGoogleTest(&count, words);
  constexpr std::string_view kWorld = "--world=";
  const std::string word = count == 2 ? words[1] : "";
  if (!word.starts_with(kWorld)) {
    fmt::print(stderr, "usage: mpirun -n N {} --world=N\n", words[0]);
    return 2;
  }
  return vitrail::tests::run_all(std::atoi(word.c_str() + kWorld.size()));
}
