#include <fmt/format.h>

#include "models/families/transformer_config.hpp"
#include "models/heads/pixel_decoder.hpp"

namespace vitrail::models {

PixelDecoder declare_pixel_decoder(Declaration& d, const ReconstructionConfig& config,
                                   const SeenPatches& seen, const std::string& model) {
  require(config.width % config.heads == 0 && config.width % 4 == 0,
          fmt::format("mae.width = {}: must be a multiple of 4 and of mae.heads = {}", config.width,
                      config.heads));
  const std::int64_t encoded = d.drop_head(model), width = config.width;
  const std::size_t first = d.parameters().size();
  PixelDecoder head;
  head.heads = config.heads;
  head.patches = seen.grid * seen.grid;
  const std::int64_t tokens = 1 + head.patches, hidden = tokens - seen.tokens;
  head.embed = d.linear("decoder_embed", width, encoded, seen.tokens);
  head.mask_token = d.token("mask_token", width);
  head.position = d.position("decoder_pos_embed", tokens, width);
  d.last().init = {Init::Law::waves, static_cast<double>(width), seen.grid};
  d.last().fixed = true;
  for (std::int64_t layer = 0; layer < config.depth; ++layer) {
    const std::string name = fmt::format("decoder_blocks.{}.", layer);
    head.blocks.push_back({declare_attention(d, name + "norm1", name + "attn", width, tokens),
                           declare_mlp(d, name + "norm2", name + "mlp", width, tokens)});
    d.keeps(tokens * ((8 + 2 * kMlpRatio) * width + 4 + config.heads));  // as attention_branch, mlp_branch
  }
  head.norm = d.norm("decoder_norm", width, hidden);
  head.pixels = d.linear("decoder_pred", 3 * seen.patch * seen.patch, width, hidden);
  d.keeps(seen.tokens * encoded + tokens * width + hidden * (2 * width + 2 + 3 * seen.patch * seen.patch));
  d.mark_head(first);
  d.start_by_xavier();
  return head;
}

}  // namespace vitrail::models
