/** A check that did not hold. */
final class Failure extends Exception {
    Failure(String message) {
        super(message);
    }
}
