// One side of talking_heads.py: forward and backward of a CaiT block (self-attention with talking heads, MLP,
// LayerScale) in fp32. Prints {"seconds": [...], "peak_bytes": n}: what each repetition took, and by how much
// the first one raised the process's resident memory.
#include "models/kernels/talking_heads/talking_heads.hpp"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace {

using at::Tensor;
using vitrail::models::TalkingHeads;

struct Block {
  explicit Block(std::int64_t w, std::int64_t heads) : width(w) {
    const auto leaf = [&](at::IntArrayRef shape) {
      Tensor x = at::randn(shape).mul_(0.02).requires_grad_();
      x.mutable_grad() = at::zeros_like(x);  // in place before memory is measured
      return x;
    };
    norm1 = {leaf({w}), leaf({w})};
    qkv = {leaf({3 * w, w}), leaf({3 * w})};
    mix = {leaf({heads, heads}), leaf({heads}), leaf({heads, heads}), leaf({heads})};
    proj = {leaf({w, w}), leaf({w})};
    norm2 = {leaf({w}), leaf({w})};
    fc1 = {leaf({4 * w, w}), leaf({4 * w})};
    fc2 = {leaf({w, 4 * w}), leaf({w})};
    scale1 = leaf({w});
    scale2 = leaf({w});
  }

  Tensor attention(const Tensor& x) const {  // [B,T,D] -> [B,T,D]
    const std::int64_t heads = mix.logits_bias.numel();
    const std::vector<Tensor> parts = at::linear(x, qkv.weight, qkv.bias)
                                          .view({x.size(0), x.size(1), 3, heads, width / heads})
                                          .permute({2, 0, 3, 1, 4})
                                          .unbind();
    const Tensor out = vitrail::models::talking_heads_attention(parts[0], parts[1], parts[2], mix);
    return at::linear(out.transpose(1, 2).flatten(2), proj.weight, proj.bias);
  }

  Tensor forward(const Tensor& x) const {
    const Tensor y = x + scale1 * attention(at::layer_norm(x, {width}, norm1.weight, norm1.bias, 1e-6));
    const Tensor z = at::layer_norm(y, {width}, norm2.weight, norm2.bias, 1e-6);
    return y + scale2 * at::linear(at::gelu(at::linear(z, fc1.weight, fc1.bias)), fc2.weight, fc2.bias);
  }

  struct Affine {
    Tensor weight, bias;
  };
  std::int64_t width;
  Affine norm1, qkv, proj, norm2, fc1, fc2;
  TalkingHeads mix;
  Tensor scale1, scale2;
};

// A line of /proc/self/status, in bytes.
std::int64_t memory(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  throw std::runtime_error("/proc/self/status has no " + key);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "bench_talking_heads THREADS BATCH TOKENS REPETITIONS\n";
    return 2;
  }
  at::set_num_threads(std::atoi(argv[1]));
  const Block block(768, 16);
  const Tensor x = at::randn({std::atoll(argv[2]), std::atoll(argv[3]), block.width}).requires_grad_();
  const Tensor probe = at::randn_like(x);

  const std::int64_t before = memory("VmRSS");
  std::ofstream("/proc/self/clear_refs") << 5;  // VmHWM starts again from now
  block.forward(x).backward(probe);
  const std::int64_t peak = memory("VmHWM") - before;

  std::vector<double> seconds;
  for (int i = 0; i < std::atoi(argv[4]); ++i) {
    const auto start = std::chrono::steady_clock::now();
    block.forward(x).backward(probe);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  fmt::print("{{\"seconds\": [{:.4f}], \"peak_bytes\": {}}}\n", fmt::join(seconds, ", "), peak);
}
