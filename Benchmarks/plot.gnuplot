# gnuplot -e "results='DIRECTORY'" plot.gnuplot: as SVG and PNG, bars of overhead.dat and events.dat there, whose columns are
# name, median, lowest, highest, aim (NaN: none); groups of bars of kernels.dat: name, recorded, replayed in partial and in total
# order; and lines of orders.dat and turns.dat: threads, then a column per design, named in the first line.
set datafile separator tab
set encoding utf8
set style fill solid noborder
set border 3 linecolor rgb '#666666'
set xtics nomirror scale 0 rotate by 35 right
set ytics nomirror scale 0.5
set grid ytics linecolor rgb '#dddddd' linetype 1
set key outside top center horizontal samplen 2
set offsets 0, 0, graph 0.05, 0
set pointintervalbox 0
half = 0.3

do for [name in 'overhead events'] {
    file = results.'/'.name.'.dat'
    rows = int(system("wc -l <'".file."'"))
    # A run of chosen benchmarks may have none here.
    if (rows > 0) {
        # Bars start where a recorded run is no slower than a native one.
        base = name eq 'overhead' ? 1 : 0
        if (name eq 'overhead') {
            set ylabel 'recorded time / native time'
            set format y '%.2f×'
        } else {
            set ylabel 'added by recording, ns'
            set format y '%g'
        }
        set xrange [-0.6:rows - 0.4]
        set yrange [*<base:*]
        do for [type in 'svg png'] {
            if (type eq 'svg') {
                set terminal svg size 900,480 noenhanced font 'sans-serif,13' background rgb 'white'
            } else {
                set terminal pngcairo size 1350,720 noenhanced font 'sans-serif,13' background rgb 'white'
            }
            set output results.'/'.name.'.'.type
            plot file using 0:(base):($0 - half):($0 + half):(base):2:xticlabels(1) with boxxyerror \
                    linecolor rgb '#5b8db8' title 'median', \
                '' using 0:2:3:4 with yerrorbars linecolor rgb '#333333' pointtype 7 pointsize 0.4 \
                    title 'lowest to highest', \
                '' using ($0 - half - 0.1):5:(2 * half + 0.2):(0) with vectors nohead linewidth 2 \
                    linecolor rgb '#c0392b' title 'aim'
            unset output
        }
    }
}

file = results.'/kernels.dat'
if (int(system("wc -l <'".file."'")) > 0) {
    set ylabel 'time / native time'
    set format y '%g×'
    set xrange [*:*]
    set yrange [0:*]
    set style data histograms
    set style histogram clustered gap 1
    do for [type in 'svg png'] {
        if (type eq 'svg') {
            set terminal svg size 820,420 noenhanced font 'sans-serif,13' background rgb 'white'
        } else {
            set terminal pngcairo size 1230,630 noenhanced font 'sans-serif,13' background rgb 'white'
        }
        set output results.'/kernels.'.type
        plot file using 2:xticlabels(1) linecolor rgb '#5b8db8' title 'recorded', \
            '' using 3 linecolor rgb '#7fb069' title 'replay, partial order', \
            '' using 4 linecolor rgb '#c9a03f' title 'replay, total order'
        unset output
    }
}

do for [name in 'orders turns'] {
file = results.'/'.name.'.dat'
columns = int(system("head -1 '".file."' | tr '\t' '\n' | wc -l"))
if (columns > 1) {
    set offsets 0, 0, 0, 0
    set ylabel 'million events per second, all threads together'
    set xlabel 'threads'
    set format y '%g'
    set logscale x 2
    set xrange [0.9:*]
    set yrange [0:*]
    set xtics nomirror scale 0.5 norotate center
    set key outside right center vertical samplen 2
    do for [type in 'svg png'] {
        if (type eq 'svg') {
            set terminal svg size 820,400 noenhanced font 'sans-serif,13' background rgb 'white'
        } else {
            set terminal pngcairo size 1230,600 noenhanced font 'sans-serif,13' background rgb 'white'
        }
        set output results.'/'.name.'.'.type
        plot for [i = 2:columns] file using 1:i with linespoints linewidth 2 pointtype 7 pointsize 0.6 title columnheader(i)
        unset output
    }
}
}
