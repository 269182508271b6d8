// One side of models.py: forward and backward of a model in training, in fp32. Each line on standard input
// starts one repetition, whose seconds are printed, by the clock and of the processor. Of 0 blocks, all.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>

#include <fmt/format.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "models/heads/logits.hpp"
#include "models/model.hpp"

int main(int argc, char** argv) {
  using namespace vitrail;
  if (argc != 7) {
    std::cerr << "bench_models MODEL BLOCKS IMAGE_SIZE BATCH DROP_PATH THREADS\n";
    return 2;
  }
  models::ModelConfig config;
  config.name = argv[1];
  if (const auto blocks = std::atoll(argv[2]); blocks > 0) config.depth = blocks;
  config.image_size = std::atoll(argv[3]);
  config.drop_path = std::atof(argv[5]);
  config.drop_path_law = models::DropPathLaw::constant;
  at::set_num_threads(std::atoi(argv[6]));

  const auto model = models::make_model(config);
  std::vector<at::Tensor> leaves;
  for (const models::ParameterSpec& spec : model->parameters()) {
    std::vector<double> values(static_cast<std::size_t>(spec.elements()));
    models::fill_initial(spec.init, 1, spec.name, 0, values);
    leaves.push_back(at::tensor(values, at::kDouble).view(spec.shape).to(at::kFloat).requires_grad_());
  }
  model->bind(leaves);
  const std::int64_t batch = std::atoll(argv[4]);
  const at::Tensor images = at::randn({batch, 3, config.image_size, config.image_size});
  const at::Tensor labels = at::randint(config.classes, {batch});
  models::Pass pass{.training = true, .seed = 1};
  for (std::string line; std::getline(std::cin, line); ++pass.step) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t spent = std::clock();
    for (at::Tensor& leaf : leaves) leaf.mutable_grad() = at::Tensor();
    at::cross_entropy_loss(model->forward(images, pass).mean(), labels).backward();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{:.6f} {:.6f}\n", seconds.count(),
               static_cast<double>(std::clock() - spent) / CLOCKS_PER_SEC);
    std::fflush(stdout);
  }
}
