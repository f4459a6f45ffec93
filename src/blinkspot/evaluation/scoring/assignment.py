"""The optimal pairs of localizations and molecules: an assignment problem, solved part by part.

Localizations and molecules within the tolerance of each other are the nodes and edges of a graph, which falls
into many small parts. A part with one localization or one molecule has one pair, its nearest. The others are
rectangular assignment problems (Kuhn 1955, Naval Research Logistics Quarterly 2:83).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Entries of a part's matrix, 16 MB of float64; larger parts are solved as sparse ones.
_MOST_DENSE = 2**21


def assigned(found: IndexArray, truth: IndexArray, distance_nm: FloatArray) -> IndexArray:
    """Choose the most pairs, and of all such choices the one with the smallest sum of squared distances.

    Parameters
    ----------
    found, truth : ndarray of int64, shape (n,)
        Rows of the two tables that may be paired.
    distance_nm : ndarray of float64, shape (n,)
        Distance of each pair, ascending.

    Returns
    -------
    ndarray of int64, shape (m,)
        Which of the pairs are chosen, ascending.
    """
    found, truth = (np.unique(rows, return_inverse=True)[1] for rows in (found, truth))
    if not len(found):
        return np.zeros(0, np.int64)
    n_found, n_truth = int(found.max()) + 1, int(truth.max()) + 1
    nodes = n_found + n_truth
    graph = csr_array((np.ones(len(found), np.int8), (found, n_found + truth)), shape=(nodes, nodes))
    n_parts, part_of_node = connected_components(graph, directed=False)
    part = part_of_node[found]
    found_in = np.bincount(part_of_node[:n_found], minlength=n_parts)
    truth_in = np.bincount(part_of_node[n_found:], minlength=n_parts)
    has_choice = (np.minimum(found_in, truth_in) > 1)[part]
    easy = np.flatnonzero(~has_choice)
    # Distances ascend, so the first pair of a part is its nearest.
    chosen = [easy[np.unique(part[easy], return_index=True)[1]]]
    hard = np.flatnonzero(has_choice)
    hard = hard[np.argsort(part[hard], kind="stable")]
    relative = np.square(distance_nm / max(float(distance_nm[-1]), np.finfo(float).tiny))
    of_parts = np.split(hard, np.flatnonzero(np.diff(part[hard])) + 1)
    chosen += [
        pairs[_solved(found[pairs], truth[pairs], relative[pairs])] for pairs in of_parts if len(pairs)
    ]
    return np.sort(np.concatenate(chosen))


def _solved(found: IndexArray, truth: IndexArray, cost: FloatArray) -> IndexArray:
    """Return the numbers of the chosen pairs of a part; costs are from 0 to 1."""
    row_of, row = np.unique(found, return_inverse=True)
    column_of, column = np.unique(truth, return_inverse=True)
    n_rows, n_columns = len(row_of), len(column_of)
    # A pair more is worth more than all that it may cost the others.
    gain = min(n_rows, n_columns) + 1.0
    if n_rows * n_columns <= _MOST_DENSE:
        matrix = np.zeros((n_rows, n_columns))
        matrix[row, column] = cost - gain
        number = np.full((n_rows, n_columns), -1)
        number[row, column] = np.arange(len(row))
        chosen: IndexArray = number[linear_sum_assignment(matrix)]
        return chosen[chosen >= 0]
    # Each row has a column of its own to be left over in. Zeros would be no entries, so all cost one more.
    alone = np.arange(n_rows)
    matrix = csr_array(
        (
            np.concatenate([1.0 + cost, np.full(n_rows, 1.0 + gain)]),
            (np.concatenate([row, alone]), np.concatenate([column, n_columns + alone])),
        ),
        shape=(n_rows, n_columns + n_rows),
    )
    rows, columns = min_weight_full_bipartite_matching(matrix)
    partner = np.full(n_rows, -1)
    partner[rows] = columns
    return np.flatnonzero(partner[row] == column)
