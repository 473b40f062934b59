"""cross_entropy: the loss of a classifier, and the simple gradient it has.

A classifier gives every class a score (a logit). Softmax makes probabilities of them, and the loss
is minus the logarithm of the probability of the right class, averaged over the batch:

    loss = mean over n of  -log(softmax(logits[n])[labels[n]])
         = mean over n of  log(sum over k of exp(logits[n, k])) - logits[n, labels[n]]

The second line is the one to compute: the first takes the logarithm of 0 where a probability is too
small for floating point. The exponentials must not overflow either, see the exercise `softmax`.

For the gradient, differentiate the second line. The logarithm of the sum gives softmax, and the
other term is there for one class per row.

To read:  minigrad/operators/losses.py
Check:    python -m examples.exercises check cross_entropy
"""

import numpy as np


def cross_entropy(logits: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The average loss.

    logits: (N, K)
    labels: (N,), integers in [0, K)
    returns: a single number
    """
    raise NotImplementedError


def cross_entropy_backward(g: np.ndarray, logits: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The gradient with respect to the logits.

    g: a single number, the gradient with respect to the loss; it is 1 only if the loss is the end
    returns: (N, K)
    """
    raise NotImplementedError
