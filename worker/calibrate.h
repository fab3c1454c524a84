#pragma once

#include "worker/calibration.h"
#include "worker/recipe.h"
#include "worker/recipe_calibrated.h"

namespace brinkmap::worker {

// `base` (a row with every tensor in 16 bits or more, whose blocks' rows the recipe's groups divide) with the
// linear layers of its blocks quantized; base.recipe stands in errors. Activations are f32 whatever the job
// says. A pure function of its arguments: threads do not change a bit.
//
// GPTQ goes through a block in its order of computation (q, k, v; output; gate, up; down), each layer being
// shown the inputs that the layers quantized before it give. AWQ shows every block the inputs of the
// unquantized model, as AutoAWQ does; attention and feed-forward scales are searched on at most 4096 tokens
// of evenly spaced sequences, where AutoAWQ takes all.
//
// Throws InputError naming the tensor whose scales exceed binary16, and for an architecture or calibration
// that the method does not serve.
RowWeights calibrate(RowWeights base, const CalibratedRecipe& recipe, const Calibration& calibration,
                     kernels::ThreadPool& pool);

}  // namespace brinkmap::worker
