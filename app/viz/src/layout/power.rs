//! Convex polygons, and the power diagram of points in a rectangle.

/// The label of an edge that lies on the rectangle's border.
pub(super) const BORDER: usize = usize::MAX;

/// A cell: its corners, each with the site on the other side of the edge that begins there.
pub(super) type Cell = Vec<([f64; 2], usize)>;

/// Area and centre of gravity of a polygon; no area and the origin for fewer than three corners.
pub(crate) fn area_and_centroid(polygon: &[[f64; 2]]) -> (f64, [f64; 2]) {
    let Some(&origin) = polygon.first() else { return (0.0, [0.0; 2]) };
    let (mut doubled, mut x, mut y) = (0.0, 0.0, 0.0);
    for pair in polygon.windows(2) {
        // Relative to a corner: far from the origin the products would cancel.
        let ([ax, ay], [bx, by]) = (minus(pair[0], origin), minus(pair[1], origin));
        let cross = ax * by - bx * ay;
        doubled += cross;
        x += cross * (ax + bx);
        y += cross * (ay + by);
    }
    if doubled == 0.0 {
        return (0.0, origin);
    }
    (doubled.abs() / 2.0, [origin[0] + x / (3.0 * doubled), origin[1] + y / (3.0 * doubled)])
}

/// The part of a convex polygon that is at least `by` away from each of its sides; empty if there is none.
pub(crate) fn inset(polygon: &[[f64; 2]], by: f64) -> Vec<[f64; 2]> {
    let centre = area_and_centroid(polygon).1;
    let mut rest: Cell = polygon.iter().map(|&corner| (corner, BORDER)).collect();
    let mut buffer = Cell::new();
    for (i, &a) in polygon.iter().enumerate() {
        let along = minus(polygon[(i + 1) % polygon.len()], a);
        let length = along[0].hypot(along[1]);
        if length == 0.0 {
            continue;
        }
        let mut outwards = [along[1] / length, -along[0] / length];
        if dot(outwards, minus(centre, a)) > 0.0 {
            outwards = outwards.map(|v| -v);
        }
        clip(&mut rest, &mut buffer, outwards, dot(outwards, a) - by, BORDER);
    }
    rest.into_iter().map(|(corner, _)| corner).collect()
}

/// The power diagram of sites in the rectangle from the origin to `size`: each cell holds the points whose squared
/// distance to its site, less the site's weight, is smallest.
///
/// `near` holds for each site those that are likely to bound its cell, and is brought up to date: a diagram of sites
/// that moved a little is much cheaper than the first.
///
/// # Source
/// Aurenhammer 1987.
pub(super) fn diagram(sites: &[[f64; 2]], weights: &[f64], size: [f64; 2], near: &mut [Vec<usize>]) -> Vec<Cell> {
    let border = [[0.0, 0.0], [size[0], 0.0], size, [0.0, size[1]]];
    let mut buffer = Cell::new();
    let mut cells = Vec::with_capacity(sites.len());
    for (i, &site) in sites.iter().enumerate() {
        let mut cell: Cell = border.map(|corner| (corner, BORDER)).into();
        let mut reach = reach_of(&cell, site);
        let mut bounding = Vec::with_capacity(near[i].len() + 2);
        let likely = std::mem::take(&mut near[i]);
        for j in likely.iter().copied().chain(0..sites.len()) {
            let normal = minus(sites[j], site);
            let squared = dot(normal, normal);
            // The line between the two, as far from this site: out of reach it bounds nothing.
            let offset = squared + weights[i] - weights[j];
            if j == i || (offset > 0.0 && offset * offset >= 4.0 * squared * reach) || bounding.contains(&j) {
                continue;
            }
            if clip(&mut cell, &mut buffer, normal, dot(normal, site) + offset / 2.0, j) {
                bounding.push(j);
                reach = reach_of(&cell, site);
            }
        }
        near[i] = bounding;
        cells.push(cell);
    }
    cells
}

/// Squared distance of the farthest corner.
fn reach_of(cell: &Cell, site: [f64; 2]) -> f64 {
    cell.iter().map(|&(corner, _)| dot(minus(corner, site), minus(corner, site))).fold(0.0, f64::max)
}

/// Cuts off what lies beyond the line of the points whose product with `normal` is `offset`; the new edge gets the
/// label. Whether anything was cut.
fn clip(cell: &mut Cell, buffer: &mut Cell, normal: [f64; 2], offset: f64, label: usize) -> bool {
    let beyond = |corner: [f64; 2]| dot(normal, corner) - offset;
    if cell.iter().all(|&(corner, _)| beyond(corner) <= 0.0) {
        return false;
    }
    buffer.clear();
    for (i, &(a, edge)) in cell.iter().enumerate() {
        let (b, _) = cell[(i + 1) % cell.len()];
        let (from, to) = (beyond(a), beyond(b));
        if from <= 0.0 {
            buffer.push((a, edge));
        }
        if (from <= 0.0) != (to <= 0.0) {
            let t = from / (from - to);
            let crossing = [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])];
            // Where the line leaves, the new edge begins; where it enters, the old edge goes on.
            buffer.push((crossing, if from <= 0.0 { label } else { edge }));
        }
    }
    std::mem::swap(cell, buffer);
    true
}

pub(super) fn minus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::cloud;

    #[test]
    fn cells_hold_the_points_that_are_nearest_by_power() {
        let (sites, weights) = cloud(30);
        let sites: Vec<[f64; 2]> =
            sites.iter().zip(0..).map(|(p, i)| [p[0] * 90.0 + f64::from(i) * 0.2, p[1] * 20.0]).collect();
        let mut near = vec![Vec::new(); 30];
        let cells = diagram(&sites, &weights, [100.0, 60.0], &mut near);
        let again = diagram(&sites, &weights, [100.0, 60.0], &mut near);
        let area = |cell: &Cell| area_and_centroid(&cell.iter().map(|c| c.0).collect::<Vec<_>>()).0;
        assert!((cells.iter().map(area).sum::<f64>() - 6000.0).abs() < 1e-6, "nothing is left out or counted twice");
        for (cell, twin) in cells.iter().zip(&again) {
            assert!((area(cell) - area(twin)).abs() < 1e-9, "with neighbours known before");
        }
        for (i, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let centre = area_and_centroid(&cell.iter().map(|c| c.0).collect::<Vec<_>>()).1;
            let power = |j: usize| dot(minus(centre, sites[j]), minus(centre, sites[j])) - weights[j];
            assert!((0..30).all(|j| power(i) <= power(j)), "{i}");
            for k in 0..cell.len() {
                let (a, edge) = cell[k];
                let b = cell[(k + 1) % cell.len()].0;
                let middle = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
                let power = |j: usize| dot(minus(middle, sites[j]), minus(middle, sites[j])) - weights[j];
                assert!(edge == BORDER || (power(i) - power(edge)).abs() < 1e-6, "the edge of {i} has its label");
            }
        }
    }

    #[test]
    fn areas_and_centres_are_those_of_geometry() {
        assert_eq!(area_and_centroid(&[[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]]), (6.0, [2.5, 2.0]));
        let (area, centre) = area_and_centroid(&[[0.0, 0.0], [0.0, 3.0], [3.0, 0.0]]);
        assert!((area - 4.5).abs() < 1e-12 && (centre[0] - 1.0).abs() < 1e-12 && (centre[1] - 1.0).abs() < 1e-12);
        assert_eq!(area_and_centroid(&[]), (0.0, [0.0; 2]));
    }
}
