#include "models/heads/embedding_head.hpp"

namespace vitrail::models {
namespace {

// PyTorch's law of linear layers.
AffineId declare_layer(Declaration& d, const std::string& name, std::int64_t out, std::int64_t in) {
  const Init law = uniform_by_fan_in(in);
  const AffineId layer = d.linear(name, out, in, 1, law);
  d.last().init = law;
  return layer;
}

EmbeddingHead::Layers declare_two(Declaration& d, const std::string& name, std::int64_t in,
                                  std::int64_t hidden, std::int64_t out) {
  EmbeddingHead::Layers layers{declare_layer(d, name + ".0", hidden, in), {}, {}};
  layers.norm = d.batch_norm(name + ".1", hidden);
  d.keeps(2 * hidden);
  layers.second = declare_layer(d, name + ".3", out, hidden);
  return layers;
}

}  // namespace

EmbeddingHead declare_embedding(Declaration& d, const EmbeddingConfig& config, const std::string& model) {
  const std::int64_t width = d.drop_head(model);
  const std::size_t first = d.parameters().size();
  EmbeddingHead head;
  if (config.linear) {
    head.projector = {declare_layer(d, "head.projector.0", config.outputs, width), {}, {}};
  } else {
    head.projector = declare_two(d, "head.projector", width, config.hidden, config.outputs);
  }
  if (config.predictor_hidden > 0)
    head.predictor =
        declare_two(d, "head.predictor", config.outputs, config.predictor_hidden, config.outputs);
  d.keeps(2 * config.outputs);
  d.mark_head(first);
  return head;
}

}  // namespace vitrail::models
